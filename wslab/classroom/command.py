"""`wslab grade`: every notebook that a class handed in, here or on a Dask cluster.

Rules of this file: a notebook costs no other one its grade; a row is kept as soon as it is known; Ctrl+C ends what runs
and writes what there is.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from .. import catalogue, state
from ..errors import LabError, say, say_many
from ..grading.verdict import Outcome
from .misconceptions import met, recognised
from .page import page
from .rows import KEPT, Kept, Row, code, no_rows, write_csv
from .single import graded
from .submissions import Submission, find

INTERRUPTED = 130
AHEAD = 256  # notebooks that a cluster is given at a time
CONNECT_S = 10
BAR = 24

Grader = Callable[[Submission, bytes, str], Awaitable[list[Row]]]
Table = dict[Submission, list[Row]]


def grade(options: argparse.Namespace) -> int:
    """Grade what lies in a folder; returns the exit status."""
    place = Path(options.folder)
    found = find(place)
    for name in found.passed_over:
        print(say("passed over, as it is not named like an exercise notebook: {file}", file=name), file=sys.stderr)
    kept = Kept((place if place.is_dir() else place.parent) / KEPT)
    table: Table = {}
    status = 0
    try:
        with _bar(len(found.submissions)) as progress:
            asyncio.run(grade_all(found.submissions, kept, table, progress, jobs=options.jobs, dask=options.dask))
    except KeyboardInterrupt:
        status = INTERRUPTED
    rows = [row for submission in found.submissions for row in table.get(submission, ())]
    if options.csv:
        write_csv(Path(options.csv), rows, _names(rows))
    if options.html:
        state.replace_file(Path(options.html), page(rows))
    _summary(rows, len(found.submissions) - len(table))
    return status


async def grade_all(
    submissions: list[Submission],
    kept: Kept,
    table: Table,
    progress: Callable[[str], None] = lambda name: None,
    *,
    jobs: int = 1,
    dask: str = "",
) -> None:
    """Grade `submissions` into `table`, `jobs` of them at a time, or on the Dask cluster at the address `dask`.

    Raises:
        LabError: If there is no such cluster.
        OSError: If the rows cannot be kept.
    """
    waiting = iter(sorted(submissions, key=_limit_s, reverse=True))  # so that the last ones end together

    async def lane(grader: Grader) -> None:
        for submission in waiting:
            table[submission] = await _one(submission, kept, grader)
            progress(submission.learner)

    async with _cluster(dask) if dask else _here() as grader:
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(AHEAD if dask else max(1, jobs)):
                    lanes.create_task(lane(grader))
        except* OSError as group:
            raise group.exceptions[0] from None


def _limit_s(submission: Submission) -> float:
    index = catalogue.index()
    return sum(float(index[exercise]["limit_s"]) for exercise in submission.exercises if exercise)


async def _one(submission: Submission, kept: Kept, grader: Grader) -> list[Row]:
    try:
        content = submission.content()
    except LabError as exc:
        return no_rows(submission, str(exc))
    rows = kept.rows(submission, content)
    if rows is None:
        try:
            rows = await grader(submission, content, code(submission.lesson))
        except Exception as exc:  # whatever becomes of it there, the others are graded
            rows = no_rows(submission, say("it could not be graded: {error}", error=f"{type(exc).__name__}: {exc}"))
        kept.keep(submission, content, rows)
    return rows


@asynccontextmanager
async def _here() -> AsyncIterator[Grader]:
    yield graded


@asynccontextmanager
async def _cluster(address: str) -> AsyncIterator[Grader]:
    """Grade where a Dask worker is free; what a lost worker was about to do, another one does."""
    try:
        from distributed import Client
    except ImportError:
        raise LabError(
            say("Dask is not installed: 'pip install -e .[class]' in the kit's folder, here and on the cluster")
        ) from None
    client = Client(address, asynchronous=True, timeout=CONNECT_S, set_as_default=False)

    async def grader(submission: Submission, content: bytes, wanted: str) -> list[Row]:
        future = client.submit(graded, submission, content, wanted, pure=False)
        return list(await future)

    try:
        try:
            await client
        except (OSError, ValueError) as exc:
            text = say("no Dask scheduler answers at {address} ({error})", address=address, error=exc)
            raise LabError(text) from None
        yield grader
    finally:
        await client.close()


def _names(rows: list[Row]) -> dict[Row, str]:
    names = {row: misconception.name for row, misconception in recognised(rows).items()}
    return names | {row: say("not begun") for row in rows if not row.begun}


def _summary(rows: list[Row], left: int) -> None:
    counts = ", ".join(
        f"{count} {outcome.value}" for outcome in Outcome if (count := sum(row.verdict == outcome for row in rows))
    )
    print(say_many("{count} exercise: {verdicts}", "{count} exercises: {verdicts}", len(rows), verdicts=counts or "-"))
    for one in met(rows):
        about = one.misconception
        print(f"  {about.exercise:<5}{len(one.learners):>4}/{one.began:<4}{about.name}")
    if left:
        text = say_many("{count} notebook is", "{count} notebooks are", left)
        print(say("{notebooks} left: the same command goes on where this one ended", notebooks=text))


@contextmanager
def _bar(total: int) -> Iterator[Callable[[str], None]]:
    """A line on the terminal: how many are done, how long the rest may take; nothing where there is no terminal."""
    done, began = 0, time.monotonic()

    def show(name: str) -> None:
        rest = (time.monotonic() - began) / max(1, done) * (total - done)
        left = say("about {minutes} min left", minutes=max(1, round(rest / 60))) if 0 < done < total else ""
        full = BAR * done // total
        line = f"[{'#' * full}{'.' * (BAR - full)}] {done}/{total}  {name[:30]}  {left}"
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    def progress(name: str) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            show(name)

    try:
        if sys.stderr.isatty():
            show("")
        yield progress
    finally:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
