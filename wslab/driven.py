"""A driver beside the learner's code, as a check sees it: operations by name, and the servers that it started.

Rules of this file: every wait is bounded; nothing that was begun for the driver outlives `close`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from .collaborators import Collaborators
from .errors import say
from .feedback import NoAnswer
from .recording import Recording
from .served import STOP_S, WAIT_S, Served
from .trace import Trace

Ask = Callable[..., Awaitable[Any]]


class Driven:
    """Operations of a `Driver`: `await hub.do("publish", "x")`. What it serves stands in `servers`, by lane."""

    def __init__(self, exercise: str, ask: Ask, collaborators: Collaborators, number: int) -> None:
        self.exercise = exercise
        self.servers: dict[str, Served] = {}
        self.recording = Recording(Trace(taps=()))
        self._ask, self._collaborators, self._number = ask, collaborators, number
        self._started: set[asyncio.Task[Any]] = set()

    @property
    def server(self) -> Served:
        """The only server, where the driver serves one."""
        [server] = self.servers.values()
        return server

    def start(self, operation: str, *args: Any, attributes: Iterable[str] = (), **named: Any) -> asyncio.Task[Any]:
        """Begin an operation; the task gets what it returns, or `Raised`. Cancelled here, it is cancelled there."""
        task = asyncio.create_task(self._do(operation, args, named, list(attributes)))
        self._started.add(task)
        task.add_done_callback(self._done)
        return task

    async def do(
        self,
        operation: str,
        *args: Any,
        within: float = WAIT_S,
        what: str = "",
        attributes: Iterable[str] = (),
        **named: Any,
    ) -> Any:
        """Await an operation; `what` names it where it does not end ("your code" without).

        Raises:
            NoAnswer: If it has not ended after `within` seconds.
            Raised: If it raised.
        """
        task = self.start(operation, *args, attributes=attributes, **named)
        await asyncio.wait([task], timeout=within)
        if not task.done():
            task.cancel()
            raise NoAnswer(
                say(
                    "{exercise} time-out: {what} has not returned after {timeout:g} s. Does it wait for something "
                    "that never comes?",
                    exercise=self.exercise,
                    what=what or say("your code"),
                    timeout=within,
                )
            )
        return task.result()

    async def _do(self, operation: str, args: tuple[Any, ...], named: dict[str, Any], attributes: list[str]) -> Any:
        pack = self._collaborators.pack
        packed = [*map(pack, args)], {name: pack(item) for name, item in named.items()}
        reply = await self._collaborators.peer.ask("do", self._number, operation, *packed, attributes)
        for place in reply["served"]:
            served = self.servers[place["name"]] = Served(self.exercise, self._ask, **place)
            await served.tap.start()
            self.recording.trace.taps = frozenset(self.servers)
        return self._collaborators.unpack(reply)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._started.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: nobody need be told that it was not

    async def close(self) -> None:
        """End what was started, then the driver, then its servers."""
        started = set(self._started)
        for task in started:
            task.cancel()
        if started:
            await asyncio.wait(started, timeout=WAIT_S / 2)
        try:
            await self._ask("leave", self._number, within=STOP_S)
        except NoAnswer:
            pass  # a loop that stands still is told elsewhere
        finally:
            for served in self.servers.values():
                await served.close()
