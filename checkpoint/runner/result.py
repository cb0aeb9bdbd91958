"""What all verdicts together come to: which part is passed, and how far the rest is.

Rules of this file: how a part is passed is the part's own rule; of a part that was not asked as a whole, all that was
asked has to pass.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from typing import Any

from wslab import state
from wslab.errors import say

from .items import CAPSTONE, QUESTIONS, Judged, items, load, trials

DISTINCTION, PASSED = "distinction", "passed"  # what the capstone's own rule says


@dataclass(frozen=True)
class Result:
    """`lines` say how far each part is; `distinction` is more than `passed`; `whole` if everything was judged."""

    passed: bool
    distinction: bool
    lines: list[str]
    whole: bool = False

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if self.distinction:
            return say("You have passed the checkpoint with distinction.")
        if self.passed:
            return say("You have passed the checkpoint.") if self.whole else say("What was asked for is passed.")
        return say("Not passed yet.")


def result(judged: Sequence[Judged], asked: int) -> Result:
    """What the verdicts on `asked` items come to; fewer verdicts than that are no pass."""
    rules = {QUESTIONS: _questions, CAPSTONE: _capstone}
    told = [rules[part](list(ones)) for part, ones in groupby(judged, lambda one: one.item.part)]
    whole = len(judged) == len(items())
    passed = len(judged) == asked > 0 and all(part.passed for part in told)
    distinction = passed and whole and all(part.distinction for part in told)
    return Result(passed, distinction, [line for part in told for line in part.lines], whole)


def _questions(judged: Sequence[Judged]) -> Result:
    right = sum(one.passed for one in judged)
    if len(judged) < len(load("questions.catalogue").QUESTIONS):
        line = say("questions: {right} of {all} right", right=right, all=len(judged))
        return Result(right == len(judged), False, [line])
    told = load("questions.desk").summary(judged)
    return Result(
        told.passed, told.passed, [say("questions: {word} ({line})", word=_word(told.passed), line=told.line)]
    )


def _capstone(judged: Sequence[Judged]) -> Result:
    done = sum(one.passed for one in judged)
    count = say("{done} of {all} tests passed", done=done, all=len(judged))
    if len(judged) < len(trials().TRIALS):
        return Result(done == len(judged), False, [say("capstone: {count}", count=count)])
    told = trials().result(judged)
    word = say("passed with distinction") if told == DISTINCTION else _word(told == PASSED)
    if missing := " ".join(one.name for one in judged if one.item.core and not one.passed):
        count = say("{count}; of the core these did not: {names}", count=count, names=missing)
    line = say("capstone: {word} ({count})", word=word, count=count)
    return Result(told in (DISTINCTION, PASSED), told == DISTINCTION, [line])


def _word(passed: bool) -> str:
    return say("passed") if passed else say("not passed yet")


def as_dict(judged: Sequence[Judged], told: Result, seed: int) -> dict[str, Any]:
    """Plain data for `--json`: the result, each item, and what it was judged with."""
    return {
        "passed": told.passed,
        "distinction": told.distinction,
        "seed": seed,
        "learner": state.seed(),
        "versions": {name: version(name) for name in ("wslab", "websockets")} | {"python": platform.python_version()},
        "items": [one.as_dict() for one in judged],
    }


def remember(told: dict[str, Any]) -> None:
    """Keep the record of a run; an item that was not asked keeps its last one."""
    with state.changing("checkpoint") as kept:
        known = kept.get("items")
        items = known if isinstance(known, dict) else {}
        kept |= told | {"items": items | {one["name"]: one for one in told["items"]}}
