"""A check is a client: behaviours that talk to a learner's code over a real socket and judge the recording.

A behaviour is `async def name(answer)`, registered with `@behaviour("2.2", "what it looks at")`. It runs on the judge's own
thread and loop and talks to the learner's code, which runs on the guarded thread of the watchdog, through `Answer`. It
returns when it is content and raises `Wrong` when it is not.

Rules of this file: every wait is bounded, and what the learner's code does wrong ends up in a line, never in a traceback.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import inspect
import threading
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from .order import Row
from .recording import Recording, record
from .server import Server, serve
from .trace import Event
from .watchdog import Guard, Starved

WAIT_S = 2.0
BLOCKED_S = 0.25
LOOK_S = 0.01


class Wrong(Exception):
    """A behaviour is not content.

    `line` is the feedback: what it means. `did`, `expected`, `saw` are what happened. `where` picks the arrow to look at: the
    first event of the recording for which it is true.
    """

    def __init__(
        self, line: str, *, did: str = "", expected: str = "", saw: str = "", where: Callable[[Event], bool] | None = None
    ) -> None:
        super().__init__(line)
        self.line, self.did, self.expected, self.saw, self.where = line, did, expected, saw, where


class NoAnswer(Wrong):
    """Something that should have come did not come; a common mistake seen meanwhile explains it better."""


@dataclass
class Line:
    """One behaviour's verdict: status "ok", "FAIL" or "skip"."""

    status: str
    title: str
    wrong: Wrong | None = None


@dataclass
class Verdict:
    """All lines of one exercise, with the recording of the behaviour that failed."""

    exercise: str
    lines: list[Line] = field(default_factory=list)
    recording: Recording | None = None
    stuck: bool = False

    @property
    def passed(self) -> bool:
        return bool(self.lines) and all(line.status == "ok" for line in self.lines)

    @property
    def wrong(self) -> Wrong | None:
        return next((line.wrong for line in self.lines if line.wrong is not None), None)

    @property
    def row(self) -> Row | None:
        """The arrow to look at: the first wrong one."""
        wrong = self.wrong
        if wrong is None or wrong.where is None or self.recording is None:
            return None
        return next((row for row in self.recording.rows if wrong.where(row.event)), None)


Check = Callable[["Answer"], Awaitable[None]]
_behaviours: dict[str, list[tuple[str, Check]]] = {}


def behaviour(exercise: str, title: str) -> Callable[[Check], Check]:
    """Register a behaviour of `exercise`; they run in the order in which they stand."""

    def register(function: Check) -> Check:
        known = _behaviours.setdefault(exercise, [])
        known[:] = [item for item in known if item[1].__name__ != function.__name__]
        known.append((title, function))
        return function

    return register


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

        future = self._guard.run(body)
        deadline = time.monotonic() + timeout
        while not future.done():
            if time.monotonic() > deadline:
                future.cancel()
                raise NoAnswer(
                    f"{self.exercise} time-out: your function has not returned after {timeout:g} s. Does it wait for "
                    "something that never comes?"
                )
            self._note_waits(task[0])
            await asyncio.sleep(LOOK_S)
        return _result(future)

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

    async def receive(self, client: ClientConnection, did: str, expected: str = "an answer", timeout: float = WAIT_S) -> Any:
        """Return the next message for `client`.

        Raises:
            NoAnswer: If nothing arrives in time, or the connection ends first.
        """
        try:
            return await asyncio.wait_for(client.recv(), timeout)
        except TimeoutError:
            raise NoAnswer(
                f"{self.answer.exercise} no answer: nothing arrived within {timeout:g} s. Is a send not awaited, or did the "
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
            await asyncio.sleep(LOOK_S)
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


def judge(exercise: str, value: Any) -> Verdict:
    """Run the behaviours of `exercise` on the learner's `value`; blocks, and returns the verdict."""
    verdict = Verdict(exercise)
    with Guard() as guard, _never_awaited() as forgotten:
        answer = Answer(exercise, value, guard)
        thread = threading.Thread(target=lambda: asyncio.run(_judge(answer, verdict, guard, forgotten)), daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_S)
            guard.look()
    verdict.stuck = guard.lost
    return verdict


async def _judge(answer: Answer, verdict: Verdict, guard: Guard, forgotten: list[str]) -> None:
    failed = False
    for title, function in _behaviours[answer.exercise]:
        if failed:
            verdict.lines.append(Line("skip", title))
            continue
        answer.recording = None
        wrong = await _one(answer, function, guard, forgotten)
        verdict.lines.append(Line("FAIL" if wrong else "ok", title, wrong))
        if wrong is not None:
            failed, verdict.recording = True, answer.recording
    if not failed and (wrong := _common(answer, guard, forgotten)) is not None:
        verdict.lines.append(Line("FAIL", "nothing forgotten, nothing blocked", wrong))


async def _one(answer: Answer, function: Check, guard: Guard, forgotten: list[str]) -> Wrong | None:
    try:
        await function(answer)
    except NoAnswer as exc:
        return _common(answer, guard, forgotten) or exc
    except Wrong as exc:
        return exc
    except (Starved, asyncio.CancelledError):
        return _common(answer, guard, forgotten) or NoAnswer(f"{answer.exercise} ended: your code was ended from outside.")
    except Exception as exc:  # raised by the learner's function, through `call`
        return _common(answer, guard, forgotten) or Wrong(
            f"{answer.exercise} exception: your code raised {type(exc).__name__}: {exc}",
            saw=f"{type(exc).__name__}: {exc}",
        )
    return None


def _common(answer: Answer, guard: Guard, forgotten: list[str]) -> Wrong | None:
    """The mistakes that any exercise may meet, where they were seen."""
    gc.collect()  # the warning comes when the coroutine is collected
    number, place = answer.exercise, f" ({guard.place})" if guard.place else ""
    if guard.starved:
        return Wrong(
            f"{number} starved loop: your code ran {guard.starved_s:.1f} s without ever letting another task run{place} (a loop "
            "that catches an exception and tries again at once?). Leave the loop on ConnectionClosed."
        )
    if forgotten:
        return Wrong(f"{number} never awaited: RuntimeWarning from your code: {forgotten[0]}. Put await before it.")
    if guard.blocked_s > BLOCKED_S:
        return Wrong(
            f"{number} blocked loop: the event loop stood still for {guard.blocked_s * 1000:.0f} ms inside your code{place}. "
            "Use await asyncio.sleep(...) or asyncio.to_thread(...)."
        )
    return None


@contextlib.contextmanager
def _never_awaited() -> Iterator[list[str]]:
    """Collect the warnings about coroutines that nobody awaited."""
    forgotten: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, RuntimeWarning) and "never awaited" in str(message):
                forgotten.append(str(message).splitlines()[0])

        warnings.showwarning = show
        yield forgotten
        gc.collect()


def is_coroutine_function(value: Any) -> bool:
    """Is `value` written with `async def`, or does its `__call__`? Partials are fine."""
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, "__call__", None))


def _proxy(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """`function` for the learner's loop, run on the loop of the caller of `_proxy`."""
    loop = asyncio.get_running_loop()

    async def call(*args: Any) -> Any:
        async def body() -> Any:
            return await function(*args)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(body(), loop))

    call.__name__ = getattr(function, "__name__", "call")
    return call


def _result(future: concurrent.futures.Future[Any]) -> Any:
    try:
        return future.result(0)
    except concurrent.futures.CancelledError:
        raise NoAnswer("your function was cancelled") from None
