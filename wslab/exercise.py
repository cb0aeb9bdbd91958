"""`check("2.1", answer)` and `hint("2.1")`: a verdict on a learner's code, and help in three steps.

Rules of this file: a check is synchronous, raises on an unsolved exercise and shows its report without a traceback.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from . import remote
from .bench import Bench
from .catalogue import checks, entry, folder, load_behaviours, names
from .errors import LabError, say
from .judge import Verdict, judge
from .progress import failed, next_hint, remember
from .remote import Sealed
from .report import NotSolved, Report


def check(exercise: str, *answers: Any) -> Report | Sealed:
    """Judge `answers` and return the report.

    Args:
        exercise: The id, such as "2.1".
        answers: The function or class that the exercise asks for, or several; hand them over, do not call them.

    Raises:
        NotSolved: If a behaviour fails; what was recorded is displayed before.
        LabError: If there is no such exercise.
    """
    exercise = str(exercise)
    load_behaviours(exercise)
    asked = names(exercise)
    if len(answers) != len(asked) or any(answer is None or answer is ... for answer in answers):
        raise LabError(
            say('check("{exercise}", …) needs your function: run the cell that defines it first', exercise=exercise)
        )
    for answer in filter(inspect.iscoroutine, answers):
        answer.close()
        raise LabError(
            say(
                'check("{exercise}", …) takes the function itself: write its name without parentheses',
                exercise=exercise,
            )
        )
    bench = Bench(dict(zip(asked, answers, strict=True)), str(checks()))
    if remote.address():
        sealed = remote.ask_judge(exercise, bench)
        if not sealed.passed:
            raise NotSolved(sealed)
        return sealed
    report = Report(judge(exercise, bench, entry(exercise)["limit_s"]))
    remember(exercise, report.line)
    if not report.verdict.passed:
        _show_recording(report.verdict)
        raise NotSolved(report)
    return report


def hint(exercise: str | None = None) -> Hint:
    """The next of three hints for `exercise`; without an id for the exercise that failed last."""
    last = ""
    if exercise is None:
        exercise, last = failed()
        if not exercise:
            raise LabError(say('there is no failed check to look at: name an exercise, as in hint("2.1")'))
    steps = [str(text) for text in entry(exercise)["hints"]]
    step = next_hint(exercise, len(steps))
    faded = ""
    if step == len(steps) - 1:
        path = folder() / "faded" / f"{exercise.replace('.', '_')}.py"
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
        out = [say("Your last check said: {line}", line=self.last)] if self.last else []
        out.append(
            say("Hint {step} of 3 for {exercise}: {hint}", step=self.step, exercise=self.exercise, hint=self.text)
        )
        if self.faded:
            out += ["", say("A version with open places to start from; the same check judges it:"), "", self.faded]
        return "\n".join(out)


def _show_recording(verdict: Verdict) -> None:
    """Display the learner's own recording with the first wrong arrow marked, where there is something to show."""
    recording = verdict.recording
    if recording is None or not recording.trace.events:
        return
    row = verdict.row
    recording.mark(row.number if row is not None else None)
    recording.display()
