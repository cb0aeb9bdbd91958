"""The five verdicts, and how one follows from what was seen.

Rules of this file: nothing is run here, and nothing but positive evidence is a pass: the judge's own word and every
planned cell, run and compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import say
from ..judge import Verdict
from ..report import Report


class Outcome(StrEnum):
    """What a grade can say."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    NOT_RUNNABLE = "not runnable"


@dataclass(frozen=True)
class Ran:
    """What became of one cell: `passed` by nbval, and with the kernel's own word; else why not.

    `ended` is "timed out" or "crashed" where the cell took the kernel with it, "not started" where there was none;
    `error` is what the cell raised.
    """

    cell: str
    passed: bool
    ended: str = ""
    error: str = ""


@dataclass
class Grade:
    """One exercise, graded: the outcome, the cell that decided it, and the lines for the learner.

    `tried` unless the answer is as it shipped; `ahead` if its kernel had been started before.
    """

    exercise: str
    outcome: Outcome
    text: str
    cell: str = ""
    verdict: Verdict | None = None
    left_behind: int = 0
    tried: bool = True
    ahead: bool = False

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASSED

    def as_dict(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        row = self.verdict.row if self.verdict is not None else None
        return {
            "exercise": self.exercise,
            "verdict": self.outcome.value,
            "passed": self.passed,
            "cell": self.cell,
            "arrow": row.number if row is not None else None,
            "left_behind": self.left_behind,
            "report": self.text.splitlines(),
        }


def decide(exercise: str, cells: Sequence[str], ran: Mapping[str, Ran], verdict: Verdict | None) -> Grade | None:
    """The grade of an exercise that needs `cells`, the last of them its check; `None` if its turn did not come.

    Args:
        ran: What became of each cell that was run.
        verdict: The judge's own record, if it came to one.
    """
    if verdict is not None and verdict.lines and not verdict.passed:
        return Grade(exercise, Outcome.FAILED, Report(verdict).text, cells[-1], verdict)
    for cell in cells:
        if cell not in ran:
            return None
        if not ran[cell].passed:
            return _not_passed(exercise, ran[cell], check=cell == cells[-1])
    if verdict is None or not verdict.passed:
        text = say("the check was never asked: something in your code stands in its way")
        return Grade(exercise, Outcome.FAILED, failure(exercise, text), cells[-1])
    return Grade(exercise, Outcome.PASSED, Report(verdict).text, cells[-1], verdict)


def _not_passed(exercise: str, ran: Ran, *, check: bool) -> Grade:
    if not ran.cell.startswith(("answer-", "check-")):
        text = say(
            "not runnable: the cell {cell} of the notebook as it ships failed: {error}",
            cell=ran.cell,
            error=ran.error or ran.ended,
        )
        return Grade(exercise, Outcome.NOT_RUNNABLE, failure(exercise, text), ran.cell)
    if ran.ended == Outcome.TIMED_OUT:
        text = say("timed out: the cell {cell} did not come to an end, so the kernel was ended", cell=ran.cell)
        return Grade(exercise, Outcome.TIMED_OUT, failure(exercise, text), ran.cell)
    if ran.ended == Outcome.CRASHED:
        text = say("crashed: the kernel died in the cell {cell}", cell=ran.cell)
        return Grade(exercise, Outcome.CRASHED, failure(exercise, text), ran.cell)
    if ran.error:
        text = say("the cell {cell} raised {error}", cell=ran.cell, error=ran.error)
    elif check:
        text = say("the check's own report did not come back from the kernel")
    else:
        text = say("the cell {cell} was not run as it stands", cell=ran.cell)
    return Grade(exercise, Outcome.FAILED, failure(exercise, text), ran.cell)


def failure(exercise: str, text: str) -> str:
    """One line of feedback that no behaviour has given, and what to do."""
    advice = say('not solved yet: repair the line with FAIL first. hint("{exercise}") helps.', exercise=exercise)
    return f"{exercise}  FAIL  {text}\n{exercise}  {advice}"
