"""The learner's code as a check sees it: behind the guard of the watchdog, reached over a real socket.

`Answer` is the function or handler that the learner handed in; `Served` is that handler on a real server.

Rules of this file: every wait is bounded, and what the learner's code does wrong is told as `Wrong`, never as a
traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from .guard import Guard, Starved
from .recording import Recording, record
from .server import Server, serve
from .trace import Event

WAIT_S = 2.0
LOOK_S = 0.01


class Wrong(Exception):
    """A behaviour is not content.

    `line` is the feedback: what it means. `did`, `expected`, `saw` are what happened. `where` picks the arrow to look
    at: the first event of the recording for which it is true.
    """

    def __init__(
        self,
        line: str,
        *,
        did: str = "",
        expected: str = "",
        saw: str = "",
        where: Callable[[Event], bool] | None = None,
    ) -> None:
        super().__init__(line)
        self.line, self.did, self.expected, self.saw, self.where = line, did, expected, saw, where


class NoAnswer(Wrong):
    """Something that should have come did not come; a common mistake seen meanwhile explains it better."""


class Answer:
    """The learner's object, behind the guard, as behaviours see it."""

    def __init__(self, exercise: str, value: Any, guard: Guard) -> None:
        self.exercise = exercise
        self.value = value
        self.recording: Recording | None = None
        self.waited_in: set[str] = set()
        self._guard = guard

    async def call(self, *args: Any, timeout: float = WAIT_S) -> Any:
        """Call the learner's function on its own thread; returns what it returns and raises what it raises.

        Raises:
            NoAnswer: If it has not returned after `timeout` seconds.
        """
        task: list[asyncio.Task[Any] | None] = [None]

        async def body() -> Any:
            task[0] = asyncio.current_task()
            result = self.value(*args)
            return await result if inspect.isawaitable(result) else result

        result = asyncio.wrap_future(self._guard.run(body))
        deadline = time.monotonic() + timeout
        while not result.done():
            if time.monotonic() > deadline:
                result.cancel()
                raise NoAnswer(
                    f"{self.exercise} time-out: your function has not returned after {timeout:g} s. Does it wait for "
                    "something that never comes?"
                )
            self._note_waits(task[0])
            await asyncio.wait([result], timeout=LOOK_S)
        return result.result()

    @contextlib.asynccontextmanager
    async def served(self, *collaborators: Any, **options: Any) -> AsyncIterator[Served]:
        """Serve the learner's handler, called with a connection and `collaborators`, and record it.

        A collaborator that is a coroutine function runs on the judge's loop, so that the judge sees every use.
        """
        handler = self.value
        if not is_coroutine_function(handler):
            raise Wrong(
                f"{self.exercise} not a coroutine function: write async def, so that your code can wait without "
                "stopping everybody else.",
                expected='"async def"',
                saw="a plain function" if callable(handler) else f"{type(handler).__name__}",
            )
        handed = [_proxy(item) if is_coroutine_function(item) else item for item in collaborators]
        tasks: set[asyncio.Task[None]] = set()

        async def linked(ws: Any) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await handler(ws, *handed)
            except Starved:
                raise RuntimeError("ended by the check, because it did not let the event loop turn") from None
            finally:
                tasks.discard(task)

        server = await self.on_guard(lambda: serve(linked, name="Your server", **options))
        with record(server) as recording:
            self.recording = recording
            served = Served(self, server, recording, tasks)
            try:
                yield served
            finally:
                await served.close()
                with contextlib.suppress(NoAnswer):
                    await self.on_guard(server.stop, timeout=2.5)

    async def on_guard(self, function: Callable[[], Awaitable[Any]], timeout: float = WAIT_S) -> Any:
        """Await `function()` on the learner's loop."""
        future = asyncio.wrap_future(self._guard.run(function))
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            raise NoAnswer(f"{self.exercise} time-out: your code does not let the event loop turn.") from None

    def _note_waits(self, task: asyncio.Task[Any] | None) -> None:
        awaited: Any = task.get_coro() if task is not None else None
        while awaited is not None and hasattr(awaited, "cr_await"):
            self.waited_in.add(awaited.cr_code.co_qualname)
            awaited = awaited.cr_await


class Served:
    """The learner's handler on a real server; `connect()` is a real client of it."""

    def __init__(self, answer: Answer, server: Server, recording: Recording, tasks: set[asyncio.Task[None]]) -> None:
        self.answer, self.server, self.recording = answer, server, recording
        self._tasks = tasks
        self._clients: list[ClientConnection] = []

    async def connect(self, name: str = "Client") -> ClientConnection:
        """Open a connection to the learner's server under this lane name."""
        query = "" if name == "Client" else f"/?name={name}"
        try:
            client = await websockets.connect(
                self.server.url + query, compression=None, open_timeout=WAIT_S, close_timeout=0.3, proxy=None
            )
        except (OSError, TimeoutError, websockets.InvalidHandshake) as exc:
            raise NoAnswer(
                f"{self.answer.exercise} start: no connection came about ({type(exc).__name__}: {exc})."
            ) from None
        self._clients.append(client)
        return client

    async def send(self, client: ClientConnection, message: Any) -> None:
        """Send `message`; where the connection has ended, the next `receive` says so."""
        with contextlib.suppress(websockets.ConnectionClosed):
            await client.send(message)

    async def receive(
        self, client: ClientConnection, did: str, expected: str = "an answer", timeout: float = WAIT_S
    ) -> Any:
        """Return the next message for `client`.

        Raises:
            NoAnswer: If nothing arrives in time, or the connection ends first.
        """
        try:
            return await asyncio.wait_for(client.recv(), timeout)
        except TimeoutError:
            raise NoAnswer(
                f"{self.answer.exercise} no answer: nothing arrived within {timeout:g} s. Is a send not awaited, "
                "or did the "
                "handler wait for something else?",
                did=did,
                expected=expected,
                saw="nothing",
            ) from None
        except websockets.ConnectionClosed as exc:
            raised = f" (your handler raised {self.raised()})" if self.raised() else ""
            raise NoAnswer(
                f"{self.answer.exercise} closed: the connection ended with {client.close_code}{raised} where an answer "
                "was expected.",
                did=did,
                expected=expected,
                saw=f"{type(exc).__name__}, close code {client.close_code}",
                where=lambda event: event.kind in ("close", "end") and not event.up,
            ) from None

    async def ended(self, within: float) -> bool:
        """Have all handlers returned, at the latest after `within` seconds?"""
        deadline = time.monotonic() + within
        while self._tasks and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S / 10)
        return not self._tasks

    def raised(self) -> str:
        """The exception that left a handler last, as "Type: text", or an empty string."""
        if not self.server.errors:
            return ""
        error = self.server.errors[-1]
        return f"{type(error).__name__}: {error}"

    async def close(self) -> None:
        """End every client that is still connected."""
        for client in self._clients:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.close(), 0.5)


def is_coroutine_function(value: Any) -> bool:
    """Is `value` written with `async def`, or does its `__call__`? Partials are fine."""
    called = getattr(type(value), "__call__", None)  # noqa: B004 (asked of the class, whose method it is)
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(called)


def _proxy(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """`function` for the learner's loop, run on the loop of the caller of `_proxy`."""
    loop = asyncio.get_running_loop()

    async def call(*args: Any) -> Any:
        async def body() -> Any:
            return await function(*args)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(body(), loop))

    call.__name__ = getattr(function, "__name__", "call")
    return call
