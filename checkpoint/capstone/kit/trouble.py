"""What goes wrong, by order of the judge: a store that is slow, fails, hangs or has other writers; a bus with gaps."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Order:
    """The next `times` calls of a store's `operation` on a key that begins with `key` meet this `kind` of trouble."""

    kind: str  # "fail", "conflict", "hang", or "hang after": the work is done, but nobody gets to know
    operation: str
    key: str
    times: int = 1
    text: str = ""


class Trouble:
    """The troubles of one server process; none until they are ordered."""

    def __init__(self):
        self.latency_s = 0.0
        self.mail_s = 0.0
        self.deaf = False  # what the bus delivers meanwhile is lost
        self.orders = []
        self.met: Callable = lambda kind, key: None  # called when one is met

    async def before(self, operation, key):
        """Meet what is ordered for the time before a call of the store; return whether somebody else was quicker."""
        await asyncio.sleep(random.uniform(0, self.latency_s))
        if self._due("fail", operation, key):
            raise OSError(self.text)
        if self._due("hang", operation, key):
            await asyncio.sleep(60)
        return self._due("conflict", operation, key)

    async def after(self, operation, key):
        """Meet what is ordered for the time after it."""
        if self._due("hang after", operation, key):
            await asyncio.sleep(60)

    def _due(self, kind, operation, key):
        for order in self.orders:
            if order.times and (order.kind, order.operation) == (kind, operation) and key.startswith(order.key):
                order.times -= 1
                self.text = order.text
                self.met(kind, key)
                return True
        return False


trouble = Trouble()
