"""Rows, one for each exercise of each learner: kept as soon as they are known, and written as CSV.

Rules of this file: what is kept counts only for the same notebook and the same kit; a line that was cut off is no line;
a grade that nobody could give (not runnable) is not kept.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from .. import catalogue, state
from ..grading.grade import PRISTINE
from ..grading.verdict import Outcome
from .submissions import Submission

KEPT = ".wslab-grades.jsonl"
COLUMNS = ("learner", "exercise", "verdict", "feedback", "seconds", "misconception")


@dataclass(frozen=True)
class Row:
    """One exercise of one learner: the verdict, the line that says why, the seconds that it took.

    `begun` is false where the answer is still as it shipped.
    """

    learner: str
    exercise: str
    verdict: str
    feedback: str = ""
    seconds: float = 0.0
    begun: bool = True

    @property
    def passed(self) -> bool:
        return self.verdict == Outcome.PASSED

    @property
    def known(self) -> bool:
        """Has it been graded, and is there an answer?"""
        return self.begun and self.verdict != Outcome.NOT_RUNNABLE


def no_rows(submission: Submission, reason: str) -> list[Row]:
    """The rows of a notebook that could not be graded."""
    return [Row(submission.learner, exercise, Outcome.NOT_RUNNABLE, reason) for exercise in submission.exercises]


@cache
def code(lesson: str) -> str:
    """What the verdicts on a lesson depend on besides the notebook, as a digest: its checks, its entries, the kit."""
    entries = {number: entry for number, entry in catalogue.index().items() if entry["lesson"] == lesson}
    about = [json.dumps(entries, sort_keys=True), version("wslab"), version("websockets")]
    files = [*catalogue.checks().glob(f"lesson_{int(lesson[:2])}*.py"), PRISTINE / f"{lesson}.ipynb"] if lesson else []
    digest = hashlib.sha256("\n".join(about).encode())
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Kept:
    """The rows of earlier runs, in a file beside what was handed in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, list[Row]] = {}
        with suppress(FileNotFoundError):
            for line in path.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError, TypeError, KeyError):  # cut off, or from another version
                    entry = json.loads(line)
                    self._rows[entry["key"]] = [Row(**row) for row in entry["rows"]]

    def rows(self, submission: Submission, content: bytes) -> list[Row] | None:
        """What this very notebook got, unless the kit has changed since."""
        return self._rows.get(_key(submission, content))

    def keep(self, submission: Submission, content: bytes, rows: Sequence[Row]) -> None:
        """Remember `rows` at once.

        Raises:
            OSError: If the folder cannot be written.
        """
        if not any(row.verdict == Outcome.NOT_RUNNABLE for row in rows):
            entry = {"key": _key(submission, content), "rows": [asdict(row) for row in rows]}
            with self._path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(f"\n{json.dumps(entry)}\n")  # the line before it may have been cut off


def _key(submission: Submission, content: bytes) -> str:
    about = [code(submission.lesson), submission.learner, submission.lesson, hashlib.sha256(content).hexdigest()]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def write_csv(path: Path, rows: Iterable[Row], misconceptions: Mapping[Row, str]) -> None:
    """Write a line for each row, its last column the misconception's name."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        texts = (row.learner, row.exercise, row.verdict, row.feedback)
        writer.writerow([*map(_cell, texts), f"{row.seconds:.1f}", _cell(misconceptions.get(row, ""))])
    state.replace_file(path, out.getvalue())


def plain(text: str) -> str:
    """`text` as it can be written and shown anywhere: one line, no control characters, no half characters."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}" for char in whole
    )


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = plain(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
