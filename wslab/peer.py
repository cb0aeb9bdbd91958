"""One end of a conversation in which both ends may ask: a check here, the bench with a learner's code there.

A message is a JSON object: a question (`ask`, `op`, `args`), its answer (`answer` and `value` or `error`), a question
withdrawn (`cancel`), or news that want no answer (`op` alone). `Peer` knows no wire: it is given a function that
sends a text, and `received` is called with each text that came.

Rules of this file: everything runs on one loop, and no question waits for an end that has gone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .values import Json, pack_exception

Operation = Callable[..., Awaitable[Json]]


class Gone(ConnectionError):
    """The other end has left the conversation."""


class Refused(Exception):
    """The other end answered with an exception; `error` is what `values.pack_exception` made of it."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('type')}: {error.get('text')}")
        self.error = error


class Peer:
    """One end; `operations` are what the other end may ask for, by name."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self.send: Callable[[str], None] = lambda text: None  # set by whoever knows the wire
        self._operations = dict(operations)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._working: dict[int, asyncio.Task[None]] = {}
        self._gone = False

    def offer(self, op: str, operation: Operation) -> None:
        """From now on the other end may ask for `op`, too."""
        self._operations[op] = operation

    async def ask(self, op: str, *args: Json) -> Json:
        """Ask the other end; cancelled here, it is cancelled there.

        Raises:
            Refused: If the operation raised.
            Gone: If the other end has left.
        """
        if self._gone:
            raise Gone("nobody is there to answer")
        number = next(self._numbers)
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self.send(json.dumps({"ask": number, "op": op, "args": args}))
            return await future
        except asyncio.CancelledError:
            self.send(json.dumps({"cancel": number}))
            raise
        finally:
            del self._waiting[number]

    def tell(self, op: str, *args: Json) -> None:
        """Send news."""
        if not self._gone:
            self.send(json.dumps({"op": op, "args": args}))

    def received(self, text: str) -> None:
        """A text came from the other end.

        Raises:
            ValueError: If it is no message.
        """
        message = json.loads(text)
        if type(message) is not dict:
            raise ValueError("not a message")
        if "answer" in message:
            future = self._waiting.get(message["answer"])
            if future is not None and not future.done():
                if "error" in message:
                    future.set_exception(Refused(message["error"]))
                else:
                    future.set_result(message.get("value"))
        elif "cancel" in message:
            if (task := self._working.get(message["cancel"])) is not None:
                task.cancel()
        elif message.get("op") in self._operations:
            number = message.get("ask", -next(self._numbers))
            task = asyncio.create_task(self._answer(number, self._operations[message["op"]], message["args"]))
            self._working[number] = task
            task.add_done_callback(lambda _: self._working.pop(number, None))
        else:
            raise ValueError("no such operation")

    def gone(self) -> None:
        """The other end has left: end what waits for it, and what works for it."""
        self._gone = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Gone("the other end has left"))
        for task in self._working.values():
            task.cancel()

    async def _answer(self, number: int, operation: Operation, args: list[Json]) -> None:
        try:
            reply: dict[str, Any] = {"value": await operation(*args)}
        except asyncio.CancelledError as exc:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            reply = {"error": pack_exception(exc)}
        except BaseException as exc:
            reply = {"error": pack_exception(exc)}
        if number > 0 and not self._gone:
            self.send(json.dumps({"answer": number, **reply}))


def join(one: Peer, other: Peer) -> None:
    """Let two ends on the running loop talk to each other."""
    loop = asyncio.get_running_loop()
    one.send = lambda text: void(loop.call_soon(other.received, text))
    other.send = lambda text: void(loop.call_soon(one.received, text))


def void(_: object) -> None:
    """Nothing, whatever is given."""
