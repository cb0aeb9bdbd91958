"""The bench: where a learner's code lies while a check works on it, with all that the check may ask for.

The code runs on the guarded thread and loop of `Guard`; the bench answers on another one, so that code which blocks its
loop cannot keep the check waiting. The check may stand in the same process or at the other end of a socket.

Rules of this file: nothing here judges; results cross as plain data; nothing that was begun outlives `run`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import inspect
import itertools
import threading
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from .collaborators import is_coroutine_function
from .driver import Driver
from .guard import Guard
from .hosted import Hosted
from .peer import Operation, Peer
from .proxies import Proxies
from .values import Json, pack_exception

CHANGEABLE = (list, dict, set, bytearray)
LOOK_S = 0.01
CLOSE_S = 2.5
WAITING = (asyncio.Future, asyncio.Event, asyncio.Queue, asyncio.Condition, asyncio.Lock, asyncio.Semaphore)


class Bench:
    """A learner's objects, by name, behind their guard; `pristine` are folders whose lines are not the learner's."""

    def __init__(self, answers: Mapping[str, Any], *pristine: str) -> None:
        self.answers = dict(answers)
        self.guard = Guard(*pristine)
        self.peer = Peer(self._operations())
        self._proxies: Proxies  # as soon as there is a loop
        self._forgotten: list[str] = []
        self._waits: set[str] = set()
        self._hosted: list[Hosted] = []
        self._drivers: list[Driver] = []
        self._numbers: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._count = itertools.count()

    def _operations(self) -> dict[str, Operation]:
        """What a check may ask for."""
        return {
            "about": self._about,
            "call": self._call,
            "callback": self._callback,
            "waits": self._waits_seen,
            "serve": self._serve,
            "handlers": self._handlers,
            "raised": self._raised,
            "ended": self._ended,
            "stop": self._stop,
            "drive": self._drive,
            "do": self._do,
            "leave": self._leave,
            "event": self._event,
            "set": self._set,
            "tasks": self._tasks,
            "waiting": self._waiting,
            "mistakes": self._mistakes,
        }

    def run(self, conversation: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have `conversation` on a thread of its own while this one looks after the learner's; blocks until it ends."""

        async def talk() -> None:
            self._proxies = Proxies(self.guard, self.peer)
            try:
                await conversation()
            finally:
                self.peer.gone()
                closing = [self._on_guard(hosted.stop) for hosted in self._hosted]
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.gather(*closing, return_exceptions=True), CLOSE_S)

        with _never_awaited(self._forgotten), self.guard:
            thread = threading.Thread(target=lambda: asyncio.run(talk()), name="check", daemon=True)
            thread.start()
            try:
                while thread.is_alive():
                    thread.join(LOOK_S)
                    self.guard.look()
            except BaseException:  # an interrupt: nothing of the learner's stays behind
                concurrent.futures.wait([self.guard.run(hosted.stop) for hosted in self._hosted], CLOSE_S)
                raise

    # Functions ---------------------------------------------------------------------------------------------------

    async def _about(self, name: str) -> Json:
        value = self._answer(name)
        return {"type": type(value).__name__, "callable": callable(value), "awaited": is_coroutine_function(value)}

    async def _call(self, name: str, args: list[Json], named: dict[str, Json], attributes: list[str]) -> Json:
        return await self._called(self._answer(name), args, named, attributes)

    async def _callback(self, number: int, args: list[Json], named: dict[str, Json]) -> Json:
        return await self._called(self._proxies.held[number], args, named, [])

    async def _called(
        self, function: Callable[..., Any], args: list[Json], named: dict[str, Json], attributes: list[str]
    ) -> Json:
        """Call `function` on the learner's loop, and note where it waits; returns what it returned or raised."""
        task: list[asyncio.Task[Any] | None] = [None]
        given, keys = [*map(self._proxies.unpack, args)], {k: self._proxies.unpack(v) for k, v in named.items()}

        async def body() -> Json:
            task[0] = asyncio.current_task()
            result = function(*given, **keys)
            return self._proxies.pack(await result if inspect.isawaitable(result) else result)

        future = asyncio.wrap_future(self.guard.run(body))
        try:
            while not future.done():
                self._note_waits(task[0])
                await asyncio.wait([future], timeout=LOOK_S)
        finally:
            future.cancel()
        if future.cancelled():
            return {"raised": pack_exception(asyncio.CancelledError())}
        if (exc := future.exception()) is not None:
            return {"raised": pack_exception(exc, tuple(attributes))}
        # What was handed over by value may have been changed meanwhile, which a check may want to know.
        changed = [self._proxies.pack(item) if type(item) in CHANGEABLE else None for item in given]
        return {"value": future.result(), "given": changed}

    def _note_waits(self, task: asyncio.Task[Any] | None) -> None:
        awaited: Any = task.get_coro() if task is not None else None
        while awaited is not None and hasattr(awaited, "cr_await"):
            self._waits.add(awaited.cr_code.co_qualname)
            awaited = awaited.cr_await

    async def _waits_seen(self) -> Json:
        return sorted(self._waits)

    # Handlers ----------------------------------------------------------------------------------------------------

    async def _serve(self, name: str, lane: str, args: list[Json], options: dict[str, Json]) -> Json:
        handler = self._answer(name)
        handed = [*map(self._proxies.unpack, args)]
        plain = {key: self._proxies.unpack(value) for key, value in options.items()}
        hosted = Hosted(lambda ws: handler(ws, *handed), lane)
        await self._on_guard(lambda: hosted.start(**plain))
        self._hosted.append(hosted)
        return self._serving(len(self._hosted) - 1)

    def _serving(self, number: int) -> Json:
        return {"number": number, "name": self._hosted[number].name, "port": self._hosted[number].port}

    async def _handlers(self, number: int) -> Json:
        return [self._seen(task) for task in self._hosted[number].handlers]

    async def _raised(self, number: int) -> Json:
        return self._hosted[number].raised()

    async def _ended(self, number: int) -> Json:
        return not self._hosted[number].tasks

    async def _stop(self, number: int) -> None:
        await self._on_guard(self._hosted[number].stop)

    # Drivers -----------------------------------------------------------------------------------------------------

    async def _drive(self, key: str) -> Json:
        self._drivers.append(Driver.known[key](self.answers, self._serve_for_driver))
        return len(self._drivers) - 1

    async def _do(
        self, number: int, operation: str, args: list[Json], named: dict[str, Json], attributes: list[str]
    ) -> Json:
        if operation.startswith("_"):
            raise AttributeError(operation)
        began = len(self._hosted)
        result = await self._called(getattr(self._drivers[number], operation), args, named, attributes)
        return {**result, "served": [self._serving(i) for i in range(began, len(self._hosted))]}

    async def _serve_for_driver(self, handler: Callable[..., Any], *, name: str, **options: Any) -> str:
        hosted = Hosted(handler, name)
        await hosted.start(**options)
        self._hosted.append(hosted)
        return f"ws://127.0.0.1:{hosted.port}"

    async def _leave(self, number: int) -> None:
        await self._on_guard(self._drivers[number].close)

    # What only this end can see ----------------------------------------------------------------------------------

    async def _event(self) -> Json:
        return self._proxies.hold(asyncio.Event())

    async def _set(self, number: int) -> None:
        self.guard.loop.call_soon_threadsafe(self._proxies.held[number].set)

    async def _tasks(self, after: float) -> Json:
        async def look() -> list[asyncio.Task[Any]]:
            for _ in range(round(after / LOOK_S)):  # many turns: where the machine stood still, one would see nothing
                await asyncio.sleep(LOOK_S)
            return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

        return [self._seen(task) for task in await self._on_guard(look)]

    def _seen(self, task: asyncio.Task[Any]) -> Json:
        return self._numbers.setdefault(task, next(self._count))

    async def _waiting(self) -> Json:
        await self._tasks(0.05)  # tasks that were cancelled have ended by now
        gc.collect()
        own = asyncio.get_running_loop()  # whose futures are the check's
        objects = (item for item in gc.get_objects() if issubclass(type(item), WAITING))
        return Counter(type(item).__name__ for item in objects if getattr(item, "_loop", None) is not own)

    async def _mistakes(self) -> Json:
        gc.collect(1)  # the warning comes when the coroutine is collected; what is old is not of this check
        guard = self.guard
        facts = {"starved": guard.starved, "starved_s": guard.starved_s, "blocked_s": guard.blocked_s}
        return {**facts, "place": guard.place, "forgotten": self._forgotten[:1]}

    # Inside ------------------------------------------------------------------------------------------------------

    def _answer(self, name: str) -> Any:
        return self.answers[name] if name else next(iter(self.answers.values()))

    async def _on_guard(self, function: Callable[[], Awaitable[Any]]) -> Any:
        return await asyncio.wrap_future(self.guard.run(function))


@contextlib.contextmanager
def _never_awaited(forgotten: list[str]) -> Iterator[None]:
    """Collect the warnings about coroutines that nobody awaited."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, RuntimeWarning) and "never awaited" in str(message):
                forgotten.append(str(message).splitlines()[0])

        warnings.showwarning = show
        yield
        gc.collect(1)
