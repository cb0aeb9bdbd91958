"""What the checkpoint asks, as one list: twenty questions, then the tests of the capstone; and what became of each.

Rules of this file: nothing is judged here; questions and tests are only read for their names, titles and limits.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from wslab import state
from wslab.errors import LabError, later, say
from wslab.grading.verdict import Outcome
from wslab.recording import Recording

QUESTIONS, CAPSTONE = "questions", "capstone"
TITLES = {QUESTIONS: later("Twenty questions"), CAPSTONE: later("Capstone: the auction room")}
QUESTION_S = 45.0  # a question has a limit of its own, which is shorter
USUAL_S = {QUESTIONS: 1.2, CAPSTONE: 4.0}  # what one takes, as long as no run has told


@dataclass(frozen=True)
class Item:
    """A question or a test: `group` is its diagram, or its milestone; `core` tests pass the capstone."""

    name: str
    title: str
    part: str
    group: int
    limit_s: float
    core: bool = False

    @property
    def number(self) -> int:
        return int(self.name[1:])


@dataclass
class Judged:
    """What became of an item: the verdict, the line that says why, and the recording that shows it.

    `begun` is false where there is no work of the learner's to judge; `arrow` is the one to look at in `recording`;
    `answer` is what a question was answered, `seed` what its values, or the scenario, came from; `note` is what else
    helps: the lesson's section for a question, for a test what the learner's own process logged.
    """

    item: Item
    verdict: Outcome
    line: str = ""
    begun: bool = True
    arrow: int | None = None
    recording: Recording | None = None
    seconds: float = 0.0
    seed: str = ""
    answer: str = ""
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict is Outcome.PASSED

    @property
    def name(self) -> str:
        return self.item.name

    @property
    def number(self) -> int:
        return self.item.number

    @property
    def status(self) -> str:
        """The verdict as the questions' own rule knows it."""
        return "right" if self.passed else "wrong"

    @cached_property
    def narration(self) -> str:
        """The recording in sentences; empty where there is none."""
        return str(self.recording.narrate()) if self.recording is not None else ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json` and for the record of a run; of the recording a digest of what it tells."""
        told = self.narration.encode("utf-8", "replace")
        return {
            "name": self.name,
            "title": self.item.title,
            "verdict": self.verdict.value,
            "passed": self.passed,
            "begun": self.begun,
            "line": self.line,
            "note": self.note,
            "arrow": self.arrow,
            "answer": self.answer,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "recording": hashlib.sha256(told).hexdigest() if told else "",
        }


def load(module: str) -> Any:
    """A module of the checkpoint's content.

    Raises:
        LabError: If it is not here.
    """
    for folder in (state.ROOT, state.ROOT / "checkpoint"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        text = say("the checkpoint is not here ({error}): work in a checkout of the kit", error=exc)
        raise LabError(text) from None


def trials() -> Any:
    """The tests of the capstone, as a module."""
    return load("checkpoint.capstone.trials")


def items() -> list[Item]:
    """Everything that is asked, in order."""
    asked = [
        Item(f"Q{question.number}", question.title, QUESTIONS, question.group, QUESTION_S)
        for question in load("questions.catalogue").QUESTIONS.values()
    ]
    tried = [
        Item(trial.name, trial.title, CAPSTONE, trial.milestone, trial.limit_s, trial.core)
        for trial in trials().TRIALS.values()
    ]
    return asked + tried


def wanted(
    only: Sequence[str], *, questions: bool = False, capstone: bool = False, milestone: int | None = None
) -> list[Item]:
    """The items that are meant: all without any choice.

    Raises:
        LabError: If there is no such item or milestone.
    """
    every = items()
    asked = {name.upper() for name in only}
    if unknown := asked - {item.name for item in every}:
        last = {item.part: item.name for item in every}
        known = ", ".join(f"{name[0]}1 … {name}" for name in last.values())
        names = ", ".join(sorted(unknown))
        raise LabError(say("the checkpoint has no {names}: there are {known}", names=names, known=known))
    found = [
        item
        for item in every
        if item.name in asked
        or (questions and item.part == QUESTIONS)
        or (item.part == CAPSTONE and (capstone or item.group == milestone))
    ]
    if milestone is not None and not any(item.part == CAPSTONE and item.group == milestone for item in every):
        known = ", ".join(map(str, sorted({item.group for item in every if item.part == CAPSTONE})))
        raise LabError(say("there is no milestone {milestone}: there are {known}", milestone=milestone, known=known))
    return found if asked or questions or capstone or milestone is not None else every


def place() -> Path:
    """The folder with the learner's work: `WSLAB_CHECKPOINT`, or `checkpoint/` of the checkout."""
    return Path(os.environ.get("WSLAB_CHECKPOINT") or state.ROOT / "checkpoint").absolute()


def notebook() -> Path:
    """The notebook with the learner's answers."""
    return place() / "questions.ipynb"


def work() -> Path:
    """The folder with the learner's capstone."""
    return place() / "work"


def seconds(asked: Sequence[Item]) -> dict[str, float]:
    """How long each item took in the last run, or usually takes."""
    kept = state.read("checkpoint").get("items")
    known = kept if isinstance(kept, dict) else {}
    out = {}
    for item in asked:
        last = known.get(item.name)
        took = last.get("seconds") if isinstance(last, dict) else None
        out[item.name] = float(took) if isinstance(took, int | float) and took > 0 else USUAL_S[item.part]
    return out
