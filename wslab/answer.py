"""The learner's code as a check sees it: behind the guard of the watchdog, reached over a real socket.

`Answer` is what the learner handed in: a function to call, a handler to serve (`Served`), a class to make an object
of (`Made`).

Rules of this file: every wait is bounded, and what the learner's code does wrong is told as `Wrong`, never as a
traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from .feedback import NoAnswer, Wrong
from .guard import Guard, Starved
from .made import Made
from .recording import Recording, record
from .served import LOOK_S, WAIT_S, Served
from .server import serve

WAITING = (asyncio.Future, asyncio.Event, asyncio.Queue, asyncio.Condition, asyncio.Lock, asyncio.Semaphore)


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
            served = Served(self.exercise, server, recording, tasks)
            try:
                yield served
            finally:
                await served.close()
                with contextlib.suppress(NoAnswer):
                    await self.on_guard(server.stop, timeout=2.5)
                for error in server.errors:  # so that a coroutine that its frames hold is missed now, not cells later
                    traceback.clear_frames(error.__traceback__)

    @contextlib.asynccontextmanager
    async def made(self, url: str) -> AsyncIterator[Made]:
        """Make an object of the learner's class, with an open connection to `url`, on the learner's loop."""
        if not callable(self.value):
            raise Wrong(
                f"{self.exercise} not a class: hand over the class itself, not an object of it.",
                expected="a class",
                saw=f"an object of {type(self.value).__name__}",
            )

        async def make() -> tuple[ClientConnection, Any]:
            ws = await websockets.connect(url, compression=None, open_timeout=WAIT_S, close_timeout=0.3, proxy=None)
            try:
                return ws, self.value(ws)
            except BaseException:
                await ws.close()
                raise

        made = Made(self.exercise, self._guard, *await self.on_guard(make))
        try:
            yield made
        finally:
            await made.close()

    async def tasks(self, after: float = 0.0) -> set[asyncio.Task[Any]]:
        """All tasks on the learner's loop when it has turned for `after` seconds."""

        async def look() -> set[asyncio.Task[Any]]:
            for _ in range(round(after / LOOK_S)):  # many turns: where the machine stood still, one would see nothing
                await asyncio.sleep(LOOK_S)
            return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

        return set(await self.on_guard(look))

    async def waiting_objects(self) -> Counter[type]:
        """A probe into the learner's memory: how many futures, events and queues there are, by kind.

        What a piece of work leaves behind may lie anywhere, under any name, so it is counted and not looked up. Take
        what two counts differ by; one or two more may be anybody's.
        """
        await self.tasks(after=0.05)  # tasks that were cancelled have ended by now
        gc.collect()
        own = asyncio.get_running_loop()  # whose futures are the check's
        objects = (item for item in gc.get_objects() if issubclass(type(item), WAITING))
        return Counter(type(item) for item in objects if getattr(item, "_loop", None) is not own)

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

    call.__name__ = call.__qualname__ = getattr(function, "__name__", "call")
    return call
