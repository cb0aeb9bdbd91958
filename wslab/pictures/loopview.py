"""`await watch_loop(breakfast())`: how the event loop shares its time among tasks, as a picture of what really ran.

Lanes and turns in, text, narration and PNG out. Only the PNG holds times, so the text is the same in every run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

from ..errors import LabError, later, say, say_many
from ..loopwatch import BLOCKS_S, LIBRARY, LoopWatch, Turn, function_name
from .shown import Shown, Text
from .theme import CLIENT, INK, REST, SERVER, drawable, escape, figure, fit, font, png, width

MAX_LANES, MAX_NAMES = 6, 3
NAME_COLUMNS = 14
HEAD, TAIL = 24, 12  # turns shown of a longer picture
HAIR_S = 0.001
LETTERS = 84  # of the small font, across the axis
LEGEND = later("█ runs   ┆ waits   One row is one turn: the loop lets one task run up to its next wait, or its end.")
PNG_LEGEND = later("solid: a turn, with its number    hatched: waits")


class LoopPicture(Shown):
    """What `watch_loop` saw: the coroutine's `result`, `lanes` (names of tasks), and `turns` in their true order.

    A notebook shows it as PNG and as text; only the PNG holds times. `seconds` is how long all of it took.
    """

    def __init__(self, result: Any, lanes: Sequence[str], turns: Sequence[Turn], seconds: float) -> None:
        self.result = result
        self.lanes = tuple(map(escape, lanes))
        self.turns = tuple(turns)
        self.seconds = seconds

    @property
    def finished(self) -> list[str]:
        """The tasks that came to an end, in that order."""
        return [self.lanes[turn.lane] for turn in self.turns if turn.ending]

    @property
    def unfinished(self) -> list[str]:
        """The tasks that were not done when the watched coroutine was."""
        ended = {turn.lane for turn in self.turns if turn.ending}
        return [name for lane, name in enumerate(self.lanes) if lane not in ended]

    def __str__(self) -> str:
        titles = self._titles()
        digits = len(f"{len(self.turns)}")
        hidden = range(HEAD, len(self.turns) - TAIL)
        lines = [f"{'':{digits}}   {'   '.join(titles)}"]
        for i, (turn, deeds, waiting) in enumerate(self._told()):
            if len(hidden) > 1 and i in hidden:
                if i == HEAD:
                    left_out = say("{number} turns not shown", number=len(hidden))
                    lines.append(f"{'…':>{digits}}   {left_out}")
                continue
            marks = [" "] * len(titles)
            for lane in waiting:
                marks[self._column(lane)] = "┆"
            marks[self._column(turn.lane)] = "█"
            cells = [mark.center(width(title)) for mark, title in zip(marks, titles, strict=True)]
            lines.append(f"{i + 1:>{digits}}   {'   '.join(cells)}   {', '.join(deeds)}")
        return "\n".join([*lines, *self._remainder(), say(LEGEND)])

    def narrate(self) -> Text:
        """One sentence for each turn, for reading aloud; no times."""
        lines = []
        for number, (turn, deeds, _) in enumerate(self._told(), 1):
            *deeds, last = deeds if deeds[0] == say("starts") else [say("goes on"), *deeds]
            told = say("{task} {deeds}, then {last}.", task=self.lanes[turn.lane], deeds=", ".join(deeds), last=last)
            lines.append(f"{number}. {told}")
        return Text("\n".join([*lines, *self._remainder()]))

    def finding(self) -> str:
        """What this run shows, in one sentence with its times."""
        total = _time(self.seconds)
        if held := [turn for turn in self.turns if turn.blocks]:
            who = _those(dict.fromkeys(self.lanes[turn.lane] for turn in held))
            lasted = _time(sum(turn.seconds for turn in held))
            return say("{who} held the loop for {time}: no other task could run", who=who, time=lasted)
        if self.unfinished:
            [rest] = self._remainder()
            return say("{task} is over after {time}, and {rest}", task=self.lanes[0], time=total, rest=rest)
        tasks = _tasks(len(self.lanes))
        outside = [(turn.lane, start, end) for turn, start, end in self._waits() if not turn.inside]
        overlapping = sum(
            any(lane != other and min(end, till) - max(start, since) > HAIR_S for other, since, till in outside)
            for lane, start, end in outside
        )
        if overlapping:
            alone = sum(end - start for _, start, end in outside) + sum(turn.seconds for turn in self.turns)
            return say(
                "{tasks}, {number} waits overlapping: {time} instead of {alone}",
                tasks=tasks,
                number=overlapping,
                time=total,
                alone=_time(alone),
            )
        waits = say_many("{count} wait", "{count} waits", len(outside))
        if len(outside) > 1:
            waits = say("{waits} one after the other", waits=waits)
        return f"{tasks}, {waits}: {total}"

    def png(self) -> bytes:
        """The picture on a real time axis in milliseconds."""
        titles, span = self._titles(), max(self.seconds, 1e-4) * 1000
        rest, blocked = len(self.lanes) > MAX_LANES, any(turn.blocks for turn in self.turns)
        height = 1.4 + 0.48 * len(titles)
        drawn = figure(height)
        axes = drawn.add_axes((0.17, 0.66 / height, 0.8, (height - 1.4) / height))
        axes.set(xlim=(-0.01 * span, 1.01 * span), ylim=(len(titles) - 0.35, -0.5))
        for turn, since, till in self._waits():
            row, start, length = self._column(turn.lane), since * 1000, (till - since) * 1000
            axes.broken_barh([(start, length)], (row - 0.09, 0.18), fc="white", ec=REST, lw=0.5, hatch="////")
            if not (rest and row == MAX_LANES - 1) and length / span * LETTERS > len(turn.awaited):
                label: dict[str, Any] = {"ha": "center", "va": "bottom", "font": font("mono", 8), "color": REST}
                axes.text(start + length / 2, row - 0.13, drawable(turn.awaited), **label)
        numbered: dict[int, float] = {}
        for number, turn in enumerate(self.turns, 1):
            row, start, length = self._column(turn.lane), turn.start * 1000, turn.seconds * 1000
            if start - numbered.get(row, -span) > 2.5 * span / LETTERS:
                numbered[row] = start
                small: dict[str, Any] = {"ha": "center", "va": "top", "font": font("bold", 7.5), "color": INK}
                axes.text(start + max(length, span / 220) / 2, row + 0.31, str(number), **small)
            colour = SERVER if turn.blocks else CLIENT
            axes.broken_barh([(start, max(length, span / 220))], (row - 0.3, 0.6), fc=colour)
            if turn.blocks:
                axes.axvspan(start, start + length, fc=SERVER, alpha=0.12, lw=0)
            if turn.blocks and length / span * LETTERS > 13:
                label = {"ha": "center", "va": "center", "font": font("bold", 8.5), "color": "white"}
                axes.text(start + length / 2, row, say("runs {time:.0f} ms", time=length), **label)
        axes.set_yticks(range(len(titles)), map(drawable, titles), font=font("bold", 10), color=INK)
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", colors=REST, labelsize=8)
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.set_xlabel("ms", font=font("sans", 8), color=REST, loc="right", labelpad=0)
        longest = _time(max((turn.seconds for turn in self.turns), default=0.0))
        facts = say_many(
            "{count} turn · longest turn {time}     recorded from this loop, this run",
            "{count} turns · longest turn {time}     recorded from this loop, this run",
            len(self.turns),
            time=longest,
        )
        drawn.text(
            0.022, 1 - 0.27 / height, drawable(self.finding(), "bold"), font=font("bold", 12.5), va="center", color=INK
        )
        drawn.text(0.022, 1 - 0.55 / height, facts, font=font("sans", 9), va="center", color=REST)
        legend = say(PNG_LEGEND) + (" " * 4 + say("shaded: the loop is blocked") if blocked else "")
        drawn.text(0.022, 0.16 / height, legend, font=font("italic", 8.5), va="center", color=REST)
        return png(drawn)

    def _remainder(self) -> list[str]:
        if not (names := self.unfinished):
            return []
        return [say_many("{names} is not done", "{names} are not done", len(names), names=_those(names))]

    def _titles(self) -> list[str]:
        """The lanes as drawn: beyond six, the last one stands for all the rest."""
        rest = len(self.lanes) - MAX_LANES + 1
        names = self.lanes if rest < 2 else (*self.lanes[: MAX_LANES - 1], say("{number} more", number=rest))
        return [fit(name, NAME_COLUMNS) for name in names]

    def _column(self, lane: int) -> int:
        return min(lane, MAX_LANES - 1)

    def _told(self) -> Iterator[tuple[Turn, list[str], set[int]]]:
        """Each turn, what the task does in it, and the lanes that wait meanwhile."""
        begun: set[int] = set()
        waiting: set[int] = set()
        for turn in self.turns:
            deeds = [] if turn.lane in begun else [say("starts")]
            if turn.created:
                deeds.append(say("creates {tasks}", tasks=_those(self.lanes[lane] for lane in turn.created)))
            begun.add(turn.lane)
            waiting.discard(turn.lane)
            wait = say("waits in {function} for {awaited}", function=turn.place, awaited=escape(turn.awaited))
            yield turn, [*deeds, turn.ending or wait], waiting
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


async def watch_loop(coroutine: Coroutine[Any, Any, Any]) -> LoopPicture:
    """Run `coroutine` as a task named after its function, and return the picture of its turns.

    The tasks that it and its children make have lanes too. An exception of `coroutine` passes through.

    Raises:
        LabError: If it is given no coroutine, or the loop is being watched already.
    """
    if not asyncio.iscoroutine(coroutine):
        name = function_name(coroutine)
        raise LabError(
            say(
                "watch_loop() takes a coroutine, and {name} is none: call the function, watch_loop({name}())", name=name
            )
        )
    watch = LoopWatch()
    try:
        result = await watch.run(coroutine)
    except Exception as exc:
        exc.__traceback__ = _own(exc.__traceback__)  # it leads from the cell straight to the mistake
        raise
    return LoopPicture(result, watch.lanes, watch.turns, watch.seconds)


def _own(trace: TracebackType | None) -> TracebackType | None:
    """What is left of `trace` from the first line that is neither the kit's nor a library's."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(LIBRARY):
        trace = trace.tb_next
    return trace


def _those(names: Iterable[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``, or how many there are."""
    *most, last = names
    if len(most) >= MAX_NAMES:
        return _tasks(len(most) + 1)
    return say("{names} and {last}", names=", ".join(most), last=last) if most else last


def _tasks(number: int) -> str:
    return say_many("{count} task", "{count} tasks", number)


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds > BLOCKS_S else f"{seconds * 1000:.2f} ms"
