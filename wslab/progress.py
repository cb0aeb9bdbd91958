"""What a learner has done so far: which exercises were tried and passed, and how many hints were used.

In: what checks, grades and hints remember, beside the learner's other state. Out: a table.

Rules of this file: passed once is passed; what cannot be made sense of counts as not there.
"""

from __future__ import annotations

from typing import Any

from . import catalogue, state
from .errors import later, say

HEAD = [later("exercise"), later("state"), later("hints"), later("title")]


def remember(exercise: str, line: str, *, tried: bool = True) -> None:
    """Keep that `exercise` has passed, or the feedback `line` that it got instead; `tried` unless it is untouched."""
    with state.changing("progress") as kept:
        if tried:
            kept["tried"] = _part(kept, "tried") | {exercise: True}
        if line:
            kept["failed"] = {"exercise": exercise, "line": line}
            if tried:
                kept["missed"] = _part(kept, "missed") | {exercise: True}
        else:
            kept["passed"] = _part(kept, "passed") | {exercise: True}
            if _part(kept, "failed").get("exercise") == exercise:
                del kept["failed"]


def failed() -> tuple[str, str]:
    """The exercise that failed last and has not passed since, and its feedback; or two empty texts."""
    kept = _part(state.read("progress"), "failed")
    return str(kept.get("exercise", "")), str(kept.get("line", ""))


def next_hint(exercise: str, steps: int) -> int:
    """Which of the `steps` hints for `exercise` comes now, from 0; the last one again when all were given."""
    with state.changing("hints") as kept:
        step = min(_count(kept.get(exercise)), steps - 1)
        kept[exercise] = step + 1
    return step


def table() -> str:
    """A line for each exercise, and one for all."""
    index = catalogue.index()
    kept, hints = state.read("progress"), state.read("hints")
    passed, tried = _part(kept, "passed"), _part(kept, "tried")
    rows = [list(map(say, HEAD))]
    for exercise, entry in index.items():
        how = say("passed") if exercise in passed else say("tried") if exercise in tried else "-"
        rows.append([exercise, how, str(_count(hints.get(exercise)) or "-"), str(entry["title"])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    done = sum(exercise in passed for exercise in index)
    return "\n".join([*lines, "", say("{done} of {count} exercises passed", done=done, count=len(index))])


def _part(kept: dict[str, Any], name: str) -> dict[str, Any]:
    value = kept.get(name)
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return max(0, value) if isinstance(value, int) else 0
