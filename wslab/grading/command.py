"""`wslab check`: grade saved exercise notebooks and print what the notebook's own checks would say.

Rules of this file: status 0 only when everything that was asked for passed; notebooks are only read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import catalogue, exercise
from ..errors import LabError, say
from .grade import grade
from .rebuild import Unreadable
from .verdict import Grade

FAILED, UNREADABLE = 1, 3
BAR = 24


def check(options: argparse.Namespace) -> int:
    """Grade what was asked for; returns the exit status."""
    wanted = _wanted(options.what)
    grades: list[Grade] = []
    status = 0
    with _bar(sum(map(len, wanted.values()))) as progress:
        for path, exercises in wanted.items():
            try:
                grades += asyncio.run(grade(path, exercises, progress))
            except Unreadable as exc:
                print(exc, file=sys.stderr)
                status = UNREADABLE
    for graded in grades:
        exercise.remember(graded.exercise, _line(graded))
    passed = status == 0 and all(graded.passed for graded in grades)
    if options.json:
        print(json.dumps({"passed": passed, "exercises": [graded.as_dict() for graded in grades]}, ensure_ascii=False))
    else:
        for graded in grades:
            _show(graded)
    return status or (0 if passed else FAILED)


def _show(graded: Grade) -> None:
    verdict = graded.verdict
    if not graded.passed and verdict is not None and verdict.recording is not None and verdict.recording.trace.events:
        verdict.recording.mark(verdict.row.number if verdict.row is not None else None)
        print(verdict.recording.text())
    print(graded.text)
    if graded.left_behind:
        print("     " + say("{count} processes that were left behind have been ended", count=graded.left_behind))
    print()


def _line(graded: Grade) -> str:
    """The feedback that a hint without an id comes back to, or an empty string."""
    if graded.passed:
        return ""
    if graded.verdict is not None and graded.verdict.wrong is not None:
        return graded.verdict.wrong.line
    return graded.text.splitlines()[0]


def _wanted(what: str) -> dict[Path, list[str]]:
    """The exercises that `what` stands for, by notebook: all, those of a lesson, or one."""
    index = catalogue.index()
    lessons = {str(entry["lesson"]): int(str(entry["lesson"])[:2]) for entry in index.values()}
    if what and not re.fullmatch(r"\d+|\d+\.\d+", what):
        raise LabError(
            say(
                "there is no notebook {lesson!r} in {folder}/: give a lesson such as 2, or an exercise such as 2.1",
                lesson=what,
                folder=catalogue.folder().name,
            )
        )
    found: dict[Path, list[str]] = {}
    for number, entry in index.items():
        if what in ("", number, str(lessons[str(entry["lesson"])])):
            path = catalogue.folder() / f"{entry['lesson']}.ipynb"
            found.setdefault(path, []).append(number)
    if not found:
        raise LabError(say("there is no exercise {what}; there are {known}", what=what, known=", ".join(index)))
    return found


@contextmanager
def _bar(total: int) -> Iterator[Callable[[str], None]]:
    """A line on the terminal that says which cell runs, gone at the end; nothing where there is no terminal."""
    shown = sys.stderr.isatty()
    done = 0

    def progress(cell: str) -> None:
        nonlocal done
        if shown:
            full = BAR * min(done, total) // max(1, total)
            print(f"\r\033[K[{'#' * full}{'.' * (BAR - full)}] {cell}", end="", file=sys.stderr, flush=True)
        done += cell.startswith("check-")

    try:
        if shown:
            progress(say("starting a kernel"))
        yield progress
    finally:
        if shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
