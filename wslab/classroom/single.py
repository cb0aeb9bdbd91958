"""One notebook graded in a process of its own: `graded` starts it, `main` is what runs in it.

In: what to grade as an argument, the notebook on stdin. Out: a line of JSON. A notebook that takes this process along,
or hangs it, costs nobody else anything; a Dask worker elsewhere needs no file of the teacher's.

Rules of this file: `graded` always comes to rows, whatever happens; the process it started has ended then.
"""

from __future__ import annotations

import asyncio
import json
import platform
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from .. import catalogue, state
from ..errors import LabError, say
from ..grading.grade import PRISTINE, grade
from ..grading.rebuild import answers, exercise_of, read
from ..grading.verdict import Grade
from .rows import Row, code, no_rows
from .submissions import Submission

WORK = "import sys; sys.path.insert(0, sys.argv[1]); from wslab.classroom.single import main; main(sys.argv[2])"
BASE_S, PER_EXERCISE_S, TRIES = (
    60.0,
    10.0,
    3,
)  # the grade has limits of its own; this is for the process that keeps them


async def graded(submission: Submission, content: bytes, wanted: str) -> list[Row]:
    """The rows of a notebook.

    Args:
        submission: Whose notebook of which lesson.
        content: The notebook as it was handed in.
        wanted: The `code` that has to grade it; on another machine there could be another one.
    """
    request = json.dumps({"lesson": submission.lesson, "exercises": submission.exercises, "wanted": wanted})
    limits = [float(catalogue.entry(exercise)["limit_s"]) for exercise in submission.exercises]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-c", WORK, str(state.ROOT), request),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=sys.platform != "win32",  # Ctrl+C is for the one who started all this
    )
    try:
        async with asyncio.timeout(BASE_S + TRIES * sum(limit + PER_EXERCISE_S for limit in limits)):
            out, err = await process.communicate(content)
        reply = json.loads(out)
        if "problem" in reply:
            return no_rows(submission, reply["problem"])
        return [Row(submission.learner, **row) for row in reply["rows"]]
    except TimeoutError:
        return no_rows(submission, say("the process that graded it took too long"))
    except (ValueError, TypeError):
        last = (err.decode("utf-8", "replace").strip().splitlines() or [f"status {process.returncode}"])[-1]
        return no_rows(submission, say("the process that graded it ended: {error}", error=last))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main(request: str) -> None:
    """Grade the notebook on stdin and print the rows."""
    reply: dict[str, Any] = {}
    with redirect_stdout(sys.stderr):  # whatever a check may print
        try:
            reply["rows"] = _rows(**json.loads(request), content=sys.stdin.buffer.read())
        except LabError as exc:
            reply["problem"] = str(exc)
    print(json.dumps(reply), flush=True)


def _rows(lesson: str, exercises: list[str], wanted: str, content: bytes) -> list[dict[str, Any]]:
    if wanted != code(lesson):
        text = say("the exercises on {host} are not the same: bring the kit up to date", host=platform.node())
        raise LabError(text)
    with tempfile.TemporaryDirectory(prefix="wslab-class-") as folder:
        path = Path(folder) / f"{lesson}.ipynb"
        path.write_bytes(content)
        found = answers(read(PRISTINE / path.name), read(path))
        clock = _Clock()
        grades = asyncio.run(grade(path, exercises, clock.begins))
        clock.begins("")
    return [
        {
            "exercise": graded.exercise,
            "verdict": graded.outcome.value,
            "feedback": _line(graded),
            "seconds": round(clock.seconds[graded.exercise], 1),
            "begun": found.sources.get(graded.exercise) != found.stubs[graded.exercise],
        }
        for graded in grades
    ]


def _line(graded: Grade) -> str:
    """The one line that says why, empty for what passed."""
    if graded.passed:
        return ""
    if graded.verdict is not None and graded.verdict.wrong is not None:
        return graded.verdict.wrong.line
    return graded.text.splitlines()[0].removeprefix(f"{graded.exercise}  FAIL  ")


class _Clock:
    """How long the cells of each exercise took, told the cell that begins."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._exercise, self._since = "", time.monotonic()

    def begins(self, cell: str) -> None:
        now = time.monotonic()
        self.seconds[self._exercise] += now - self._since
        self._exercise, self._since = exercise_of(cell), now
