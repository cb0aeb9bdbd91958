"""`check("2.1", answer)` and `hint("2.1")`: a verdict on a learner's code, and help in three steps.

The index of all exercises is `exercises/exercises.toml`; the behaviours of a lesson stand in
`exercises/checks/lesson_N.py`, or divided by subject in several `lesson_N_subject.py`.

Rules of this file: a check is synchronous, raises on an unsolved exercise and shows its report without a traceback.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import state
from .errors import LabError
from .judge import Verdict, judge

COLUMNS = 96


def exercises_folder() -> Path:
    """Where the exercises lie: `WSLAB_EXERCISES`, or `exercises/` of the checkout.

    Raises:
        LabError: If there is no such folder.
    """
    path = Path(os.environ.get("WSLAB_EXERCISES") or state.ROOT / "exercises")
    if not (path / "exercises.toml").is_file():
        raise LabError("the exercises are not here: work in a checkout of the kit, installed with 'python3 start.py'")
    return path


def index() -> dict[str, dict[str, Any]]:
    """All exercises by id, as `exercises.toml` lists them."""
    import tomllib  # 20 ms, for checks only

    return tomllib.loads((exercises_folder() / "exercises.toml").read_text(encoding="utf-8"))


class NotSolved(LabError):
    """An exercise is not solved yet. Shown as its report, without a traceback."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"exercise {report.verdict.exercise} is not solved yet")
        self.report = report

    def _render_traceback_(self) -> list[str]:
        return self.report.text.splitlines()


@dataclass(frozen=True)
class Report:
    """A verdict as the learner sees it."""

    verdict: Verdict

    def __repr__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """One line for each behaviour; under the one that failed what was done, expected and seen."""
        number = self.verdict.exercise
        out: list[str] = []
        for line in self.verdict.lines:
            wrong = line.wrong
            if wrong is None:
                out.append(f"{number}  {line.status:<4}  {line.title}")
                continue
            out += _wrapped(f"{number}  {line.status:<4}  {line.title}" + (f" | {wrong.did}" if wrong.did else ""))
            if wrong.expected or wrong.saw:
                parts = (("expected", wrong.expected), ("saw", wrong.saw))
                out += _wrapped("           " + " | ".join(f"{name} {what}" for name, what in parts if what))
            out += _wrapped(f"     {wrong.line}")
            if (row := self.verdict.row) is not None:
                out.append(f"     look at: arrow {row.number} of the recording")
        if self.verdict.stuck:
            out.append("     Your code could not be ended. Restart the kernel before you go on.")
        if self.verdict.passed:
            out.append(f"{number}  solved")
        else:
            out.append(f'{number}  not solved yet: repair the line with FAIL first. hint("{number}") helps.')
        return "\n".join(out)


def _wrapped(line: str) -> list[str]:
    """`line` in pieces that fit into a notebook, the later ones set in."""
    return textwrap.wrap(line, COLUMNS, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False)


def check(exercise: str, answer: Any) -> Report:
    """Judge `answer` and return the report.

    Args:
        exercise: The id, such as "2.1".
        answer: The function or class that the exercise asks for; hand it over, do not call it.

    Raises:
        NotSolved: If a behaviour fails; what was recorded is displayed before.
        LabError: If there is no such exercise.
    """
    exercise = str(exercise)
    _load_behaviours(exercise)
    if answer is None or answer is ...:
        raise LabError(f'check("{exercise}", …) needs your function: run the cell that defines it first')
    if inspect.iscoroutine(answer):
        answer.close()
        raise LabError(f'check("{exercise}", …) takes the function itself: write its name without parentheses')
    report = Report(judge(exercise, answer))
    _remember(exercise, report)
    if not report.verdict.passed:
        _show_recording(report.verdict)
        raise NotSolved(report)
    return report


def hint(exercise: str | None = None) -> Hint:
    """The next of three hints for `exercise`; without an id for the exercise that failed last."""
    seen = state.read("hints")
    if exercise is None:
        failed = state.read("progress").get("failed")
        if not failed:
            raise LabError('there is no failed check to look at: name an exercise, as in hint("2.1")')
        exercise, last = str(failed["exercise"]), str(failed["line"])
    else:
        last = ""
    entry = _entry(exercise)
    steps = [str(text) for text in entry["hints"]]
    step = min(int(seen.get(exercise, 0)), len(steps) - 1)
    state.write("hints", {**seen, exercise: step + 1})
    faded = ""
    if step == len(steps) - 1:
        path = exercises_folder() / "faded" / f"{exercise.replace('.', '_')}.py"
        faded = path.read_text(encoding="utf-8").rstrip() if path.is_file() else ""
    return Hint(exercise, step + 1, steps[step], last, faded)


@dataclass(frozen=True)
class Hint:
    """One hint, as the learner sees it."""

    exercise: str
    step: int
    text: str
    last: str = ""
    faded: str = ""

    def __repr__(self) -> str:
        out = [f"Your last check said: {self.last}"] if self.last else []
        out.append(f"Hint {self.step} of 3 for {self.exercise}: {self.text}")
        if self.faded:
            out += ["", "A version with open places to start from; the same check judges it:", "", self.faded]
        return "\n".join(out)


def _entry(exercise: str) -> dict[str, Any]:
    known = index()
    if exercise not in known:
        raise LabError(f"there is no exercise {exercise!r}; there are {', '.join(known)}")
    return known[exercise]


def _load_behaviours(exercise: str) -> None:
    _entry(exercise)
    lesson = exercise.split(".")[0]
    folder = exercises_folder() / "checks"
    for path in sorted([*folder.glob(f"lesson_{lesson}.py"), *folder.glob(f"lesson_{lesson}_*.py")]):
        spec = importlib.util.spec_from_file_location(f"wslab_checks.{path.stem}", path)
        assert spec is not None and spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _remember(exercise: str, report: Report) -> None:
    progress = state.read("progress")
    wrong = report.verdict.wrong
    if wrong is None:
        progress.setdefault("passed", {})[exercise] = True
        if (progress.get("failed") or {}).get("exercise") == exercise:
            progress.pop("failed")
    else:
        progress["failed"] = {"exercise": exercise, "line": wrong.line}
    state.write("progress", progress)


def _show_recording(verdict: Verdict) -> None:
    """Display the learner's own recording with the first wrong arrow marked, where there is something to show."""
    recording = verdict.recording
    if recording is None or not recording.trace.events:
        return
    row = verdict.row
    recording.mark(row.number if row is not None else None)
    recording.display()
