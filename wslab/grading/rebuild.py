"""A learner's notebook, rebuilt from the pristine one: nothing of the learner's file counts but the answers' source.

In: two notebooks as JSON. Out: a notebook for nbval, whose checks have stored outputs that end in a nonce, and a plan
of its cells.

Rules of this file: no kernel, no nbformat; what is doubled, missing or no code is no answer.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import LabError, say

Notebook = dict[str, Any]
CELL_S = 5.0
CHECK_S = 5.0  # that a check cell may take beyond what its judge takes
MARKER = re.compile(r"^(\s*#+\s*)((?:NBVAL|PYTEST_VALIDATE)_\w+)(\s*)$")


class Unreadable(LabError):
    """A file that is no notebook."""


@dataclass(frozen=True)
class Planned:
    """A code cell of the rebuilt notebook: its id, the exercise that it belongs to if any, and its limit."""

    cell: str
    exercise: str
    limit_s: float


@dataclass
class Answers:
    """What a learner's notebook holds: source by exercise, problems of the others, and names defined elsewhere.

    `stubs` are the answers of the pristine notebook.
    """

    sources: dict[str, str] = field(default_factory=dict)
    stubs: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)


def read(path: Path) -> Notebook:
    """Read a notebook.

    Raises:
        Unreadable: If it is none; the file is not touched.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(cell["cell_type"], str) and _source(cell) is not None for cell in notebook["cells"]):
            return dict(notebook)
        reason = "cells"
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as exc:
        reason = type(exc).__name__
    raise Unreadable(
        say("{file} cannot be read as a notebook ({reason}); the file was not touched", file=path.name, reason=reason)
    )


def exercise_of(cell_id: str) -> str:
    """The exercise that the cell `answer-2-1` or `check-2-1` belongs to, or an empty string."""
    found = re.fullmatch(r"(?:answer|check)-(\d+)-(\d+)(?:-.*)?", cell_id)
    return f"{found[1]}.{found[2]}" if found else ""


def answers(pristine: Notebook, learner: Notebook) -> Answers:
    """The learner's answers to the exercises of `pristine`."""
    out = Answers()
    for cell in pristine["cells"]:
        cell_id = str(cell["id"])
        if not cell_id.startswith("answer-"):
            continue
        exercise = exercise_of(cell_id)
        out.stubs[exercise] = source_of(cell)
        found = [cell for cell in learner["cells"] if cell.get("id") == cell_id]
        if not found:
            out.problems[exercise] = say("the answer cell {cell} is missing", cell=cell_id)
        elif len(found) > 1:
            out.problems[exercise] = say("there are {count} cells {cell}", count=len(found), cell=cell_id)
        elif found[0]["cell_type"] != "code":
            out.problems[exercise] = say("the answer cell {cell} is no code cell any more", cell=cell_id)
        else:
            out.sources[exercise] = source_of(found[0])
    for cell in learner["cells"]:
        if cell["cell_type"] == "code" and not str(cell.get("id", "")).startswith("answer-"):
            with suppress(SyntaxError, ValueError, RecursionError):
                out.elsewhere |= _defined(source_of(cell))
    return out


def rebuild(
    pristine: Notebook, sources: Mapping[str, str], reports: Mapping[str, str], limits: Mapping[str, float]
) -> tuple[Notebook, list[Planned]]:
    """A notebook of the pristine cells with the answers `sources`, up to the last check that has a report to come.

    Args:
        sources: Answers by exercise; the cells of other exercises are left out.
        reports: What each check has to show, by exercise.
        limits: The seconds for each check.
    """
    cells: list[dict[str, Any]] = []
    plan: list[Planned] = []
    for cell in pristine["cells"]:
        exercise = exercise_of(cell["id"])
        check = cell["id"].startswith("check-")
        if cell["cell_type"] != "code" or (exercise and exercise not in (reports if check else sources)):
            continue
        source = source_of(cell)
        if exercise and not check:
            source = defused(sources[exercise])
        outputs = [_result(reports[exercise])] if check else []
        cells.append(
            {
                "cell_type": "code",
                "id": cell["id"],
                "source": source,
                "metadata": {},
                "execution_count": 1 if check else None,
                "outputs": outputs,
            }
        )
        limit = limits[exercise] + CHECK_S if check else CELL_S
        plan.append(Planned(cell["id"], exercise, limit))
    last = max((i for i, planned in enumerate(plan) if planned.cell.startswith("check-")), default=-1)
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells[: last + 1]}, plan[: last + 1]


def defused(source: str) -> str:
    """`source` without comments that nbval would obey, also where they stand inside a string."""
    lines = source.splitlines(keepends=True)
    return "".join(
        MARKER.sub(r"\1\2 (not here)\3", line.rstrip("\r\n")) + line[len(line.rstrip("\r\n")) :] for line in lines
    )


def _result(text: str) -> dict[str, Any]:
    return {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": text}}


def source_of(cell: dict[str, Any]) -> str:
    """The source of a cell that was `read`."""
    return str(_source(cell))


def _source(cell: dict[str, Any]) -> str | None:
    source = cell["source"]
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    return source if isinstance(source, str) else None


def _defined(source: str) -> set[str]:
    """The names that a cell defines at its top level."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        for part in ast.walk(node) if isinstance(node, ast.Assign | ast.AnnAssign) else ():
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                names.add(part.id)
    return names
