"""An object of the learner's class, as a check sees it: on the learner's own loop, with a real connection.

Rules of this file: every wait is bounded; nothing that was begun for the object outlives `close`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection

from .feedback import NoAnswer
from .guard import Guard
from .served import WAIT_S


class Made:
    """The learner's object. What is asked of it is a function of it, run on its loop: `lambda it: it.call("a")`."""

    def __init__(self, exercise: str, guard: Guard, ws: ClientConnection, value: Any) -> None:
        self.exercise = exercise
        self._guard, self._ws, self._value = guard, ws, value
        self._started: set[asyncio.Future[Any]] = set()

    def start(self, function: Callable[[Any], Any]) -> asyncio.Future[Any]:
        """Begin `function(object)` on the learner's loop; the future gets what it, once awaited, returns or raises."""

        async def body() -> Any:
            result = function(self._value)
            return await result if inspect.isawaitable(result) else result

        future = asyncio.wrap_future(self._guard.run(body))
        self._started.add(future)
        future.add_done_callback(self._done)
        return future

    async def do(self, function: Callable[[Any], Any], timeout: float = WAIT_S, *, what: str = "your code") -> Any:
        """Await `function(object)`, as `start` runs it; `what` names it where it does not end.

        Raises:
            NoAnswer: If it has not ended after `timeout` seconds.
        """
        future = self.start(function)
        await asyncio.wait([future], timeout=timeout)
        if not future.done():
            future.cancel()
            raise NoAnswer(
                f"{self.exercise} time-out: {what} has not returned after {timeout:g} s. Does it wait for something "
                "that never comes?"
            )
        return future.result()

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._started.discard(future)  # whose exception would keep alive the frames that it left
        if not future.cancelled():
            future.exception()  # looked at: nobody need be told that it was not

    async def disconnected(self, within: float = WAIT_S) -> bool:
        """Has the learner's side seen the end of its connection, at the latest after `within` seconds?"""
        closed = asyncio.wrap_future(self._guard.run(self._ws.wait_closed))
        await asyncio.wait([closed], timeout=within)
        ended = closed.done()
        closed.cancel()
        return ended

    async def close(self) -> None:
        """End what was started, then the connection."""
        started = set(self._started)
        for future in started:
            future.cancel()
        closing = asyncio.wrap_future(self._guard.run(self._ws.close))
        await asyncio.wait({*started, closing}, timeout=WAIT_S / 2)
        closing.cancel()
