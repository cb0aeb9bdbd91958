"""`await watch_loop(breakfast())`: how the event loop shares its time among tasks, as a picture of what really ran.

A coroutine in; out comes a `LoopPicture`: a lane for each task, a turn for each time that the loop let one run. Meanwhile
a task factory puts a `_Watched` around the coroutines of these tasks, which sees every `send` and `throw`.

Rules of this file: what is watched behaves as it would unwatched, the tasks of others are left alone, and the loop has
its own factory back afterwards, whatever happened.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import re
import sysconfig
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path
from types import AsyncGeneratorType, CodeType, CoroutineType
from typing import Any

from .errors import LabError
from .theme import CLIENT, INK, REST, SERVER, count, drawable, escape, figure, fit, font, png, width

MAX_LANES, NAME_COLUMNS = 6, 14
HEAD, TAIL = 24, 12  # turns shown of a longer picture
BLOCKS_S = 0.025  # a longer turn is drawn as one that blocks
HAIR_S = 0.001
LETTERS = 84  # of the small font, across the axis
LEGEND = "█ runs   ┆ waits   One row is one turn: the loop lets one task run up to its next wait, or its end."
PNG_LEGEND = "solid: runs, at least a hairline   hatched: waits   shaded: the loop is blocked"

ASYNCIO, KIT = Path(asyncio.__file__).parent, str(Path(__file__).parent)
LIBRARY = (KIT, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")))
# What ends one of these waits is another task, not the clock or the network.
INSIDE = frozenset(
    f"asyncio.{name}"
    for name in "gather wait wait_for as_completed TaskGroup Queue.get Queue.put Queue.join Event.wait Condition.wait "
    "Lock.acquire Semaphore.acquire Barrier.wait".split()
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


class LoopPicture:
    """What `watch_loop` saw: `result` of the coroutine, `lanes` (names of tasks), `turns` in the order in which they ran.

    A notebook shows it as PNG and as text; only the PNG holds times. `seconds` is how long all of it took.
    """

    def __init__(self, result: Any, lanes: list[str], turns: list[Turn], seconds: float) -> None:
        self.result = result
        self.lanes = tuple(map(escape, lanes))
        self.turns = tuple(turns)
        self.seconds = seconds

    def __str__(self) -> str:
        titles = self._titles()
        digits = len(f"{len(self.turns)}")
        hidden = range(HEAD, len(self.turns) - TAIL)
        lines = [f"{'':{digits}}   {'   '.join(titles)}"]
        for i, (turn, deeds, waiting) in enumerate(self._told()):
            if len(hidden) > 1 and i in hidden:
                if i == HEAD:
                    lines.append(f"{'…':>{digits}}   {len(hidden)} turns not shown")
                continue
            marks = [" "] * len(titles)
            for lane in waiting:
                marks[self._column(lane)] = "┆"
            marks[self._column(turn.lane)] = "█"
            cells = [mark.center(width(title)) for mark, title in zip(marks, titles, strict=True)]
            lines.append(f"{i + 1:>{digits}}   {'   '.join(cells)}   {', '.join(deeds)}")
        return "\n".join([*lines, LEGEND])

    def narrate(self) -> str:
        """One sentence for each turn, for reading aloud; no times."""
        lines = []
        for number, (turn, deeds, _) in enumerate(self._told(), 1):
            deeds = deeds if deeds[0] == "starts" else ["goes on", *deeds]
            lines.append(f"{number}. {self.lanes[turn.lane]} {', '.join(deeds[:-1])} and {deeds[-1]}.")
        return "\n".join(lines)

    def finding(self) -> str:
        """What this run shows, in one sentence with its times."""
        tasks, total = count(len(self.lanes), "task"), f"{self.seconds:.2f} s"
        if held := [turn for turn in self.turns if turn.seconds > BLOCKS_S]:
            names = list(dict.fromkeys(self.lanes[turn.lane] for turn in held))
            who = " and ".join(names) if len(names) < 3 else count(len(names), "task")
            return f"{who} held the loop for {sum(turn.seconds for turn in held):.2f} s: no other task could run"
        outside = [(turn.lane, start, end) for turn, start, end in self._waits() if not turn.inside]
        overlapping = sum(
            any(lane != other and min(end, till) - max(start, since) > HAIR_S for other, since, till in outside)
            for lane, start, end in outside
        )
        if overlapping:
            alone = sum(end - start for _, start, end in outside) + sum(turn.seconds for turn in self.turns)
            return f"{tasks}, {overlapping} waits overlapping: {total} instead of {alone:.2f} s"
        manner = " one after the other" if len(outside) > 1 else ""
        return f"{tasks}, {count(len(outside), 'wait')}{manner}: {total}"

    def png(self) -> bytes:
        """The picture on a real time axis in milliseconds."""
        titles, span = self._titles(), max(self.seconds, 1e-4) * 1000
        height = 1.4 + 0.48 * len(titles)
        drawn = figure(height)
        axes = drawn.add_axes((0.17, 0.66 / height, 0.8, (height - 1.4) / height))
        axes.set(xlim=(-0.01 * span, 1.01 * span), ylim=(len(titles) - 0.5, -0.5))
        for turn, since, till in self._waits():
            row, start, length = self._column(turn.lane), since * 1000, (till - since) * 1000
            axes.broken_barh([(start, length)], (row - 0.09, 0.18), fc="white", ec=REST, lw=0.5, hatch="////")
            if length / span * LETTERS > len(turn.awaited):
                label = {"ha": "center", "va": "bottom", "font": font("mono", 8), "color": REST}
                axes.text(start + length / 2, row - 0.13, drawable(turn.awaited), **label)
        for turn in self.turns:
            row, start, length = self._column(turn.lane), turn.start * 1000, turn.seconds * 1000
            blocks = turn.seconds > BLOCKS_S
            axes.broken_barh([(start, max(length, span / 220))], (row - 0.3, 0.6), fc=SERVER if blocks else CLIENT)
            if blocks:
                axes.axvspan(start, start + length, fc=SERVER, alpha=0.12, lw=0)
                label = {"ha": "center", "va": "center", "font": font("bold", 8.5), "color": "white"}
                axes.text(start + length / 2, row, f"runs {length:.0f} ms", **label)
        axes.set_yticks(range(len(titles)), map(drawable, titles), font=font("bold", 10), color=INK)
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", colors=REST, labelsize=8)
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.set_xlabel("ms", font=font("sans", 8), color=REST, loc="right", labelpad=0)
        longest = max((turn.seconds for turn in self.turns), default=0.0) * 1000
        facts = f"{count(len(self.turns), 'turn')} · longest {longest:.1f} ms     recorded from this loop, this run"
        drawn.text(0.022, 1 - 0.27 / height, drawable(self.finding(), "bold"), font=font("bold", 12.5), va="center", color=INK)
        drawn.text(0.022, 1 - 0.55 / height, facts, font=font("sans", 9), va="center", color=REST)
        drawn.text(0.022, 0.16 / height, PNG_LEGEND, font=font("italic", 8.5), va="center", color=REST)
        return png(drawn)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": str(self), "image/png": base64.b64encode(self.png()).decode("ascii")}

    def _titles(self) -> list[str]:
        """The lanes as drawn: beyond six, the last one stands for all the rest."""
        rest = len(self.lanes) - MAX_LANES + 1
        names = self.lanes if rest < 2 else (*self.lanes[: MAX_LANES - 1], f"{rest} more")
        return [fit(name, NAME_COLUMNS) for name in names]

    def _column(self, lane: int) -> int:
        return min(lane, MAX_LANES - 1)

    def _told(self) -> Iterator[tuple[Turn, list[str], set[int]]]:
        """Each turn, what the task does in it, and the lanes that wait meanwhile."""
        begun: set[int] = set()
        waiting: set[int] = set()
        for turn in self.turns:
            deeds = [] if turn.lane in begun else ["starts"]
            if turn.created:
                deeds.append("creates " + " and ".join(self.lanes[lane] for lane in turn.created))
            begun.add(turn.lane)
            waiting.discard(turn.lane)
            yield turn, [*deeds, turn.ending or f"waits in {turn.place} for {turn.awaited}"], waiting
            if not turn.ending:
                waiting.add(turn.lane)

    def _waits(self) -> list[tuple[Turn, float, float]]:
        """Each wait: the turn before it, when it began, and when its task ran again (or the picture ended)."""
        resumed: dict[int, float] = {}
        found = []
        for turn in reversed(self.turns):
            if not turn.ending:
                found.append((turn, turn.end, resumed.get(turn.lane, self.seconds)))
            resumed[turn.lane] = turn.start
        return found


async def watch_loop(coroutine: Coro) -> LoopPicture:
    """Run `coroutine` as a task named after its function, and return the picture of its turns.

    The tasks that it and its children make have lanes too. An exception of `coroutine` passes through.

    Raises:
        LabError: If it is given no coroutine, or the loop is being watched already.
    """
    if not asyncio.iscoroutine(coroutine):
        name = _function(coroutine)
        raise LabError(f"watch_loop() takes a coroutine, and {name} is none: call the function, watch_loop({name}())")
    loop = asyncio.get_running_loop()
    former = loop.get_task_factory()
    if isinstance(former, _Watch):
        coroutine.close()
        raise LabError("the loop is being watched already: await one watch_loop(...) after the other")
    watch = _Watch(former)
    loop.set_task_factory(watch)
    try:
        task = watch.start(loop, coroutine)
        task.set_name(_function(coroutine))
        result = await task
        return LoopPicture(result, watch.names(), watch.turns, watch.clock())
    finally:
        if loop.get_task_factory() is watch:
            loop.set_task_factory(former)
        watch.lanes.clear()


class _Watch:
    """The task factory while a loop is watched: a task made by a task with a lane gets a lane."""

    def __init__(self, former: Callable[..., Any] | None) -> None:
        self.turns: list[Turn] = []
        self.lanes: dict[Task | None, int] = {}  # empty when the watch is over
        self.functions: list[str] = []
        self.created: list[int] = []
        self._former = former
        self._began = time.perf_counter()

    def clock(self) -> float:
        return time.perf_counter() - self._began

    def __call__(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        if asyncio.current_task(loop) not in self.lanes or not asyncio.iscoroutine(coroutine):
            return self._make(loop, coroutine, options)
        self.created.append(len(self.functions))
        return self.start(loop, coroutine, **options)

    def start(self, loop: asyncio.AbstractEventLoop, coroutine: Coro, **options: Any) -> Task:
        lane = len(self.functions)
        self.functions.append(_function(coroutine))
        task: Task = self._make(loop, _Watched(coroutine, self, lane), options)
        self.lanes[task] = lane
        return task

    def _make(self, loop: asyncio.AbstractEventLoop, coroutine: Coro, options: dict[str, Any]) -> Any:
        if self._former is not None:
            return self._former(loop, coroutine, **options)
        return asyncio.Task(coroutine, loop=loop, **options)

    def names(self) -> list[str]:
        """What the program called each task, else its function; numbered where that occurs again."""
        called = list(self.functions)
        for task, lane in self.lanes.items():
            if task is not None and not re.fullmatch(r"Task-\d+", task.get_name()):
                called[lane] = task.get_name()
        names: list[str] = []
        for name in called:
            tries = (name if n == 1 else f"{name} {n}" for n in counting(1))
            names.append(next(name for name in tries if name not in names))
        return names

    def note(self, watched: _Watched, start: float, end: float, awaited: object = None, ending: str = "") -> None:
        ...
