"""Which of the wrong solutions that the course expects a feedback line belongs to.

A wrong solution, `exercises/mutants/N_M/mK_its_name.py`, begins with the line that it meets, `{names}` standing for
measured values. Some of them share their line: they are one misconception.

Rules of this file: the wrong solutions are read, never run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import catalogue
from ..errors import say
from .rows import Row


@dataclass(frozen=True)
class Misconception:
    """A wrong solution's name and line; an empty line stands for whatever no wrong solution meets."""

    exercise: str
    name: str
    line: str = ""


@dataclass(frozen=True)
class Met:
    """How many of those who began an exercise have met a misconception, and who."""

    misconception: Misconception
    learners: Sequence[str]
    began: int


def expected() -> list[Misconception]:
    """All misconceptions that the course knows, exercise by exercise."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted((catalogue.folder() / "mutants").glob("*/*.py")):
        line = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")), clean=False) or ""
        found.setdefault((path.parent.name.replace("_", "."), line), []).append(_name(path))
    return [Misconception(exercise, ", ".join(names), line) for (exercise, line), names in found.items()]


def recognised(rows: Iterable[Row]) -> dict[Row, Misconception]:
    """What each row that did not pass belongs to; nothing for an answer that was not begun."""
    known: dict[str, list[tuple[re.Pattern[str], Misconception]]] = {}
    for misconception in expected():
        known.setdefault(misconception.exercise, []).append((_pattern(misconception.line), misconception))
    out: dict[Row, Misconception] = {}
    for row in rows:
        if row.known and not row.passed:
            fitting = (one for pattern, one in known.get(row.exercise, []) if pattern.fullmatch(row.feedback))
            out[row] = next(fitting, Misconception(row.exercise, say("other")))
    return out


def met(rows: Sequence[Row]) -> list[Met]:
    """The misconceptions that were met, the frequent ones first; what is no known wrong solution stands last."""
    learners: dict[Misconception, list[str]] = {}
    for row, misconception in recognised(rows).items():
        learners.setdefault(misconception, []).append(row.learner)
    began = {row.exercise: 0 for row in rows}
    for row in rows:
        began[row.exercise] += row.known
    order = list(catalogue.index())
    table = [Met(one, sorted(who), began[one.exercise]) for one, who in learners.items()]
    return sorted(
        table, key=lambda m: (not m.misconception.line, -len(m.learners), order.index(m.misconception.exercise))
    )


def _name(path: Path) -> str:
    return re.sub(r"^m\d+_", "", path.stem).replace("_", " ")


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+?", re.escape(line)), re.S)
