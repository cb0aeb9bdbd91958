"""The checkpoint on a terminal: a line for each item as soon as it is judged, and a bar that says where it is.

Rules of this file: words only; what a learner or a peer wrote cannot steer the terminal.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wslab import state
from wslab.errors import say, say_many
from wslab.pictures.theme import escape, fit
from wslab.report import COLUMNS

from .items import CAPSTONE, QUESTIONS, Item, Judged, notebook, seconds, trials, work

BAR, HALF_MINUTE = 24, 30.0
PAYLOAD = 400  # columns of the message to look at; the picture shows less of it


def opening(asked: Sequence[Item], seed: int) -> str:
    """What is going to be judged, how long that may take, and the seed that repeats it."""
    counts = {part: sum(item.part == part for item in asked) for part in (QUESTIONS, CAPSTONE)}
    questions = say_many("{count} question", "{count} questions", counts[QUESTIONS])
    tests = say_many("{count} test of the capstone", "{count} tests of the capstone", counts[CAPSTONE])
    what = ", ".join(text for text, count in zip((questions, tests), counts.values(), strict=True) if count)
    return say("checkpoint: {what}; {time} (seed {seed})", what=what, time=_about(seconds(asked).values()), seed=seed)


def _about(seconds: Iterable[float]) -> str:
    if (together := sum(seconds)) < HALF_MINUTE:
        return say("less than half a minute")
    return say("about {minutes} min", minutes=max(1, round(together / 60)))


def told(judged: Judged) -> str:
    """The lines on one item; above them the recording of what failed."""
    out = []
    if not judged.passed and judged.recording is not None:
        out.append(judged.recording.text())
    word = "ok" if judged.passed else "FAIL" if judged.begun else "-"
    out.append(f"{judged.name:<4} {word:<5} {judged.item.title}")
    if not judged.begun:  # why is told once, below all of them
        return f"{out[-1]} ({say('not begun')})"
    indent = " " * 11
    for line in about(judged):
        out += textwrap.wrap(line, COLUMNS, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(out)


def about(judged: Judged) -> list[str]:
    """Why an item did not pass, where to look, and what else helps."""
    if judged.passed or not judged.line:
        return []
    lines = [escape(judged.line)]
    if judged.item.part == QUESTIONS:
        if judged.note:
            lines.append(say("before the next try, read {section}", section=judged.note.removeprefix("../")))
        return lines
    if judged.arrow is not None and judged.recording is not None:
        look = say("look at: arrow {number} of the recording", number=judged.arrow)
        payload = judged.recording.arrow(judged.arrow).text
        lines.append(f"{look}: {fit(escape(payload), PAYLOAD)}" if payload else look)
    if judged.note:
        lines.append(say("its own log: {text}", text=escape(judged.note)))
    return lines


def first_steps(judged: Sequence[Judged]) -> list[str]:
    """What to do first, for each part in which nothing has been begun."""
    parts = {one.item.part for one in judged} - {one.item.part for one in judged if one.begun}
    steps = []
    if QUESTIONS in parts:
        if notebook().is_file():
            text = say("The questions: open {file} in JupyterLab, answer, save, and come back.", file=shown(notebook()))
        else:
            text = say("The questions: 'wslab checkpoint --start' brings {file} back.", file=shown(notebook()))
        steps.append(text)
    if CAPSTONE in parts:
        file = work() / trials().MODULE
        if file.is_file():
            text = say("The capstone: {file} is as it was made; complete it, milestone 1 first.", file=shown(file))
        else:
            text = say("The capstone: 'wslab checkpoint --start' makes {file}, in which you work.", file=shown(file))
        steps.append(text)
    return steps


def shown(path: Path) -> str:
    """A path as the learner knows it."""
    return (path.relative_to(state.ROOT) if path.is_relative_to(state.ROOT) else path).as_posix()


class Bar:
    """A line on the terminal with what is judged now and how long the rest may take; nothing where there is none."""

    def __init__(self, asked: Sequence[Item]) -> None:
        self._left = list(asked)
        self._seconds = seconds(asked)
        self._all = len(asked)
        self._shown = sys.stderr.isatty()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Take the line away while something is printed."""
        self.end()
        yield
        self.show()

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def done(self, judged: Judged) -> None:
        """One item less is left."""
        self._left.remove(judged.item)

    def show(self) -> None:
        """Show where it is."""
        if self._shown and self._left:
            done = self._all - len(self._left)
            full = BAR * done // self._all
            left = say("{time} left", time=_about(self._seconds[item.name] for item in self._left))
            line = f"[{'#' * full}{'.' * (BAR - full)}] {done}/{self._all}  {self._left[0].name}  {left}"
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
