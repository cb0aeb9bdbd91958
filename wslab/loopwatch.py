"""Every turn that the event loop gives to a coroutine and to the tasks that it makes.

While a `LoopWatch` is on, it is the loop's task factory and puts a `_Watched` around the coroutines of these tasks,
which sees each `send` and `throw`. Out come lanes (tasks, in the order in which they were made) and turns.

Rules of this file: what is watched behaves as it would unwatched, the tasks of others are left alone, and the loop has
its own factory back afterwards, whatever happened.
"""

from __future__ import annotations

import asyncio
import gc
import re
import sysconfig
import time
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import AsyncGeneratorType, CodeType, CoroutineType
from typing import Any

from .errors import LabError, say

BLOCKS_S = 0.025

ASYNCIO, KIT = Path(asyncio.__file__).parent, str(Path(__file__).parent)
LIBRARY = (KIT, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")))
# What ends one of these waits is another task, not the clock or the network.
INSIDE = frozenset(
    (
        *("asyncio.gather", "asyncio.wait", "asyncio.wait_for", "asyncio.as_completed", "asyncio.TaskGroup"),
        *("asyncio.Queue.get", "asyncio.Queue.put", "asyncio.Queue.join", "asyncio.Event.wait", "asyncio.Barrier.wait"),
        *("asyncio.Condition.wait", "asyncio.Lock.acquire", "asyncio.Semaphore.acquire"),
    )
)

Coro = Coroutine[Any, Any, Any]
Task = asyncio.Task[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a task: from where the loop lets it run to its next wait, or to its end.

    `lane` and `created` are numbers of lanes, `start` and `end` seconds since the watch began. `place` is the learner's
    function that waits, `awaited` what it waits for (`inside`: for another task); `ending` says how the task ended.
    """

    lane: int
    start: float
    end: float
    created: tuple[int, ...] = ()
    place: str = ""
    awaited: str = ""
    inside: bool = False
    ending: str = ""

    @property
    def seconds(self) -> float:
        """How long no other task could run."""
        return self.end - self.start

    @property
    def blocks(self) -> bool:
        """Was it long enough for others to notice?"""
        return self.seconds > BLOCKS_S


class LoopWatch:
    """Run one coroutine and note the turns of its task, and of each task that a noted task makes."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.seconds = 0.0
        self._functions: list[str] = []
        self._lanes: dict[Task | None, int] = {}
        self._created: list[int] = []
        self._on = False
        self._former: Callable[..., Any] | None = None
        self._began = time.perf_counter()

    async def run(self, coroutine: Coro) -> Any:
        """Return what `coroutine` returns, and raise what it raises.

        Raises:
            LabError: If the running loop is being watched already.
        """
        loop = asyncio.get_running_loop()
        self._former = loop.get_task_factory()
        if isinstance(self._former, LoopWatch):
            coroutine.close()
            raise LabError(say("the loop is being watched already: await one watch_loop(...) after the other"))
        loop.set_task_factory(self)
        self._on = True
        try:
            task = self._start(loop, coroutine)
            task.set_name(function_name(coroutine))
            return await task
        finally:
            self._on = False
            self.seconds = self._clock()
            if loop.get_task_factory() is self:
                loop.set_task_factory(self._former)

    @property
    def lanes(self) -> list[str]:
        """What the program called each task, else its function; numbered where a name occurs again."""
        called = list(self._functions)
        for task, lane in self._lanes.items():
            if task is not None and not re.fullmatch(r"Task-\d+", task.get_name()):
                called[lane] = task.get_name()
        names: list[str] = []
        for name in called:
            tries = (name if n == 1 else f"{name} {n}" for n in count(1))
            names.append(next(name for name in tries if name not in names))
        return names

    def __call__(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        """Make a task, as the loop's task factory."""
        if not self._on or asyncio.current_task(loop) not in self._lanes or not asyncio.iscoroutine(coroutine):
            return self._make(loop, coroutine, options)
        self._created.append(len(self._functions))
        return self._start(loop, coroutine, **options)

    def turn(self, lane: int, coroutine: Coro, send: Callable[..., Any], *sent: Any) -> Any:
        """Let a task run up to its next wait by `send(*sent)`, and note it."""
        if not self._on:
            return send(*sent)
        self._lanes.setdefault(asyncio.current_task(), lane)
        outer, self._created = self._created, []  # an eager task has its first turn within another's
        start, ending, future = self._clock(), "", None
        try:
            future = send(*sent)
            return future
        except StopIteration:
            ending = say("returns")
            raise
        except asyncio.CancelledError:
            ending = say("is cancelled")
            raise
        except BaseException as exc:
            ending = say("raises {error}", error=type(exc).__name__)
            raise
        finally:
            end = self._clock()
            place, awaited, inside = ("", "", False) if ending else self._wait(coroutine, future)
            created, self._created = tuple(self._created), outer
            self.turns.append(
                Turn(
                    lane=lane,
                    start=start,
                    end=end,
                    created=created,
                    place=place,
                    awaited=awaited,
                    inside=inside,
                    ending=ending,
                )
            )

    def _start(self, loop: asyncio.AbstractEventLoop, coroutine: Coro, **options: Any) -> Task:
        lane = len(self._functions)
        self._functions.append(function_name(coroutine))
        task: Task = self._make(loop, _Watched(coroutine, self, lane), options)
        self._lanes[task] = lane
        return task

    def _make(self, loop: asyncio.AbstractEventLoop, coroutine: Any, options: dict[str, Any]) -> Any:
        if self._former is not None:
            return self._former(loop, coroutine, **options)
        return asyncio.Task(coroutine, loop=loop, **options)

    def _wait(self, coroutine: Coro, future: object) -> tuple[str, str, bool]:
        """Where a suspended coroutine waits, for what, and whether that is another task."""
        codes = chain(coroutine)
        own = [i for i, code in enumerate(codes) if not code.co_filename.startswith(LIBRARY)]
        place = codes[own[-1]].co_name if own else function_name(coroutine)
        called = filter(None, map(_called, codes[own[-1] + 1 :] if own else codes))
        if awaited := next(called, ""):
            return place, awaited, awaited in INSIDE
        if isinstance(future, asyncio.Task):
            known = future in self._lanes
            return place, say("task {name}", name=self.lanes[self._lanes[future]]) if known else say("a task"), True
        if type(future).__name__ == "_GatheringFuture":  # gather() is no coroutine, so not in the chain
            return place, "asyncio.gather", True
        return place, say("a future"), False

    def _clock(self) -> float:
        return time.perf_counter() - self._began


class _Watched(Coroutine[Any, Any, Any]):
    """A coroutine that reports its turns; everything else is left to `coroutine`."""

    def __init__(self, coroutine: Coro, watch: LoopWatch, lane: int) -> None:
        self.watched, self._watch, self._lane = coroutine, watch, lane

    def send(self, value: Any) -> Any:
        return self._watch.turn(self._lane, self.watched, self.watched.send, value)

    def throw(self, *error: Any) -> Any:
        return self._watch.turn(self._lane, self.watched, self.watched.throw, *error)

    def close(self) -> None:
        self.watched.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.watched.__await__()

    def __getattr__(self, name: str) -> Any:  # cr_code, cr_await, __qualname__ …: for the reprs of tasks
        return getattr(self.watched, name)


def chain(coroutine: object) -> list[CodeType]:
    """The code of the coroutines that a suspended one is in, outermost first."""
    coroutine = getattr(coroutine, "watched", coroutine)
    codes: list[CodeType] = []
    while len(codes) < 100:
        if type(coroutine).__name__ in (
            "async_generator_asend",
            "coroutine_wrapper",
        ):  # only the collector sees through
            held = gc.get_referents(coroutine)
            coroutine = next((found for found in held if isinstance(found, CoroutineType | AsyncGeneratorType)), None)
        if isinstance(coroutine, AsyncGeneratorType):
            codes.append(coroutine.ag_code)
            coroutine = coroutine.ag_await
        elif isinstance(coroutine, CoroutineType):
            codes.append(coroutine.cr_code)
            coroutine = coroutine.cr_await
        else:
            break
    return codes


def function_name(function: object) -> str:
    """The name of a function, or of the function that a coroutine comes from."""
    return str(getattr(function, "__name__", type(function).__name__))


def _called(code: CodeType) -> str:
    """What a program calls this code of a library; empty for the kit's own, and for what `async for` calls."""
    path, names = Path(code.co_filename), code.co_qualname.split(".<locals>")[0].split(".")
    if path.is_relative_to(KIT) or names[-1] in ("__aiter__", "__anext__"):
        return ""
    if names[-1].startswith("__") and names[1:]:  # `async with` of a class: by the name of the class
        names.pop()
    return ".".join([*(["asyncio"] if path.parent == ASYNCIO else []), *names])
