"""`wslab check`: grade saved exercise notebooks and print what the notebook's own checks would say.

Rules of this file: status 0 only when everything that was asked for passed; notebooks are only read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from .. import catalogue, progress
from ..errors import LabError, say
from ..report import Report
from .grade import grade
from .rebuild import Unreadable
from .run import Session
from .verdict import Grade, Outcome
from .watch import Saves, watch

FAILED, UNREADABLE = 1, 3
BAR = 24


def check(options: argparse.Namespace) -> int:
    """Grade what was asked for; returns the exit status."""
    wanted = _wanted(options.what)
    if options.watch:
        return _watch(wanted, as_json=options.json)
    grades: list[Grade] = []
    status = 0
    with _bar(sum(map(len, wanted.values()))) as bar:
        for path, exercises in wanted.items():
            try:
                grades += asyncio.run(grade(path, exercises, bar))
            except Unreadable as exc:
                print(exc, file=sys.stderr)
                status = UNREADABLE
    passed = status == 0 and all(graded.passed for graded in grades)
    _tell(grades, passed, as_json=options.json)
    return status or (0 if passed else FAILED)


def _watch(wanted: dict[Path, list[str]], *, as_json: bool) -> int:
    """Grade at each save, until Ctrl+C; then the status is 0."""
    out = sys.stderr if as_json else sys.stdout

    async def judge(path: Path, session: Session) -> None:
        began = time.perf_counter()
        try:
            with _bar(len(wanted[path])) as bar:
                grades = await grade(path, wanted[path], bar, session=session)
        except (Unreadable, OSError) as exc:
            print(exc, file=sys.stderr)
            return
        print(say("{file}, {time:%H:%M:%S}:", file=path.name, time=datetime.now()), file=out)
        _tell(grades, all(graded.passed for graded in grades), as_json=as_json)
        seconds = time.perf_counter() - began
        if all(graded.ahead for graded in grades if graded.outcome is not Outcome.NOT_RUNNABLE):
            print(say("({seconds:.1f} s, with a kernel started ahead of time)", seconds=seconds), file=out)
        else:
            print(say("({seconds:.1f} s, cold: no kernel could be started ahead of time)", seconds=seconds), file=out)
        print(flush=True, file=out)

    def clear(session: Session) -> None:
        _left_behind(session.left_behind)

    saves = Saves(wanted)
    files = ", ".join(path.name for path in wanted)
    print(
        say("watching {files}: save it and its verdict appears here; Ctrl+C ends this", files=files),
        file=out,
        flush=True,
    )
    with suppress(KeyboardInterrupt):
        asyncio.run(watch(saves, judge, clear))
    return 0


def _tell(grades: Sequence[Grade], passed: bool, *, as_json: bool) -> None:
    """Print the grades, and remember them."""
    for graded in sorted(reversed(grades), key=lambda graded: graded.tried):  # a hint is about the first that was tried
        progress.remember(graded.exercise, _line(graded), tried=graded.tried)
    if as_json:
        told = {"passed": passed, "exercises": [graded.as_dict() for graded in grades]}
        print(json.dumps(told, ensure_ascii=False), flush=True)
        return
    for graded in grades:
        _show(graded)


def _show(graded: Grade) -> None:
    verdict = graded.verdict
    if not graded.passed and verdict is not None and verdict.recording is not None and verdict.recording.trace.events:
        verdict.recording.mark(verdict.row.number if verdict.row is not None else None)
        print(verdict.recording.text())
    print(graded.text)
    _left_behind(graded.left_behind)
    print()


def _left_behind(count: int) -> None:
    if count:
        print("     " + say("{count} processes that were left behind have been ended", count=count), flush=True)


def _line(graded: Grade) -> str:
    """The feedback that a hint without an id comes back to, or an empty string."""
    line = Report(graded.verdict).line if graded.verdict is not None and not graded.passed else ""
    return "" if graded.passed else line or graded.text.splitlines()[0]


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

    def show(cell: str) -> None:
        nonlocal done
        if shown:
            full = BAR * min(done, total) // max(1, total)
            print(f"\r\033[K[{'#' * full}{'.' * (BAR - full)}] {cell}", end="", file=sys.stderr, flush=True)
        done += cell.startswith("check-")

    try:
        if shown:
            show(say("starting a kernel"))
        yield show
    finally:
        if shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
