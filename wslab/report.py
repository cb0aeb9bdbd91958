"""A verdict as the learner reads it, in the notebook and on the command line.

Rules of this file: words only; a passed report holds nothing that varies.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from .errors import LabError, say
from .judge import Verdict
from .remote import Sealed

COLUMNS = 96


@dataclass(frozen=True)
class Report:
    """A verdict as the learner sees it."""

    verdict: Verdict

    def __repr__(self) -> str:
        return self.text

    @property
    def exercise(self) -> str:
        return self.verdict.exercise

    @property
    def text(self) -> str:
        """One line for each behaviour; under the one that failed what was done, expected and seen."""
        number = self.exercise
        out: list[str] = []
        for line in self.verdict.lines:
            wrong = line.wrong
            if wrong is None:
                out.append(f"{number}  {line.status:<4}  {line.title}")
                continue
            out += _wrapped(f"{number}  {line.status:<4}  {line.title}" + (f" | {wrong.did}" if wrong.did else ""))
            if wrong.expected or wrong.saw:
                parts = ((say("expected"), wrong.expected), (say("saw"), wrong.saw))
                out += _wrapped("           " + " | ".join(f"{name} {what}" for name, what in parts if what))
            out += _wrapped(f"     {wrong.line}")
            if (row := self.verdict.row) is not None:
                out.append("     " + say("look at: arrow {number} of the recording", number=row.number))
        if self.verdict.stuck:
            out.append("     " + say("Your code could not be ended. Restart the kernel before you go on."))
        if self.verdict.passed:
            out.append(f"{number}  " + say("solved"))
        else:
            text = say('not solved yet: repair the line with FAIL first. hint("{exercise}") helps.', exercise=number)
            out.append(f"{number}  {text}")
        return "\n".join(out)

    @property
    def line(self) -> str:
        """The feedback that a hint without an id comes back to; an empty text where there is nothing to say."""
        if self.verdict.passed:
            return ""
        wrong = self.verdict.wrong
        return wrong.line if wrong is not None else self.text.splitlines()[0]


class NotSolved(LabError):
    """An exercise is not solved yet. Shown as its report, without a traceback."""

    def __init__(self, report: Report | Sealed) -> None:
        super().__init__(say("exercise {exercise} is not solved yet", exercise=report.exercise))
        self.report = report

    def _render_traceback_(self) -> list[str]:
        return self.report.text.splitlines()


def _wrapped(line: str) -> list[str]:
    """`line` in pieces that fit into a notebook, the later ones set in."""
    return textwrap.wrap(line, COLUMNS, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False)
