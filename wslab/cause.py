"""Why a handler did something: the link from the message it took to what it sent, stored or logged.

`recv()` of a served connection opens a `Turn`. The turn lives in a context variable, so tasks and threads that the
handler starts know it too; what is done in it gets a `Cause`.

Rules of this file: no sockets, and nothing here changes what the observed program does. A link does not flow through a
queue: `order` then falls back on what was observed, and a settled step repairs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any

from .origin import Origin, caller, sender
from .trace import ASKING, ENDING, OPENING, Cause, Event, Take, is_recording, publish


@dataclass(eq=False)
class Link:
    """One connection as the server's side knows it: its name, its handler, and why each of its frames was sent.

    `life` counts the connections of that name. `tapped`: a tap asks for the causes, frame by frame.
    """

    name: str = "Client"
    life: int = 0
    tapped: bool = False
    taken: int = 0
    sent: int = 0
    causes: dict[int, Cause] = field(default_factory=dict)
    origins: dict[int, Origin] = field(default_factory=dict)
    handler: asyncio.Task[Any] | None = None
    context: Context | None = None

    def asked(self) -> None:
        """The opening request is looked at, in the task that will run the handler."""
        self.handler = asyncio.current_task()
        self.begin(ASKING)

    async def run(self, handler: Coroutine[Any, Any, None]) -> None:
        """Run the handler, in a context that stays within reach."""
        self.begin(OPENING)
        self.context = copy_context()
        self.handler = asyncio.get_running_loop().create_task(handler, context=self.context)
        try:
            await self.handler
        finally:  # what the library does next, logging an error for instance, is still this handler's doing
            self.handler = asyncio.current_task()
            _turn.set(self.context[_turn])

    def took(self) -> None:
        """`recv()` returned a message."""
        if is_recording():
            publish(Take(self.name, self.life, self.taken, self.sent))
        self.begin(self.taken)
        self.taken += 1

    def ended(self) -> None:
        """`recv()` raised, because the connection has ended."""
        self.begin(ENDING)

    def sends(self) -> None:
        """A frame is being sent on this connection, by whatever code runs now."""
        if self.tapped and (cause := current_cause()) is not None:
            self.explain(cause)
        if self.tapped and is_recording():
            self.locate()
        self.sent += 1

    def explain(self, cause: Cause) -> None:
        """Note why the frame is sent that comes after `sent` others."""
        self.causes[self.sent] = cause

    def locate(self) -> None:
        """Note which line sends the frame that comes after `sent` others."""
        if (origin := caller()) is not None:
            self.origins[self.sent] = origin

    def explained(self, event: Event) -> tuple[Cause | None, Origin | None]:
        """Why `event` of this connection was sent, and by which line, if that is known; to be asked once for each."""
        if event.up:
            return None, sender(event.raw, event.headers)
        if event.ordinal is None:
            return None, None
        return self.causes.pop(event.ordinal, None), self.origins.pop(event.ordinal, None)

    def begin(self, message: int) -> None:
        """What is done from now on in this context is done because of `message`."""
        turn = Turn(self, message)
        _turn.set(turn)
        # `asyncio.wait_for(ws.recv(), …)` of Python 3.11 runs recv in a task, whose context does not flow back.
        if self.context is not None and asyncio.current_task() is not self.handler:
            self.context.run(_turn.set, turn)


class Turn:
    """What a handler does between taking one message and taking the next."""

    __slots__ = ("count", "link", "message")

    def __init__(self, link: Link, message: int) -> None:
        self.link = link
        self.message = message
        self.count = 0

    @property
    def own(self) -> bool:
        """Is it the handler itself that runs now?"""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # a thread without a loop, such as that of `asyncio.to_thread`
            task = None
        return task is not None and self.link.handler is task

    def cause(self, own: bool) -> Cause:
        """The cause for the next thing done in this turn, by the handler itself if `own`."""
        self.count += 1
        return Cause(self.link.name, self.message, self.count - 1, self.link.life, own)


_turn: ContextVar[Turn | None] = ContextVar("wslab_turn", default=None)
# By the ports from which and to which the tap dialled; what speaks to a backplane by its lane and its number there.
links: dict[tuple[int | str, int], Link] = {}


def unlinked(receive: Callable[[bytes], None], data: bytes) -> None:
    """Call `receive(data)`: what the library does by itself has no cause, even in a context left by a handler."""
    token = _turn.set(None)
    try:
        receive(data)
    finally:
        _turn.reset(token)


current_turn = _turn.get  # in which the code runs that runs now; `None` outside handlers and what they started


def current_cause() -> Cause | None:
    """Why the code that runs now does what it does; `None` outside handlers and what they started."""
    turn = _turn.get()
    return turn.cause(turn.own) if turn is not None else None
