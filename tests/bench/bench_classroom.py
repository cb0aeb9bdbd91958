"""What a second job brings: python tests/bench/bench_classroom.py [ROUNDS]

The reference answers of all lessons, handed in by one learner, are graded with one job and with two, in turns. Prints
seconds and their ratio; the aim is at most 0.65 on two processors that nobody else uses. Nothing here is a test:
absolute figures swing with the machine.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from kit import references  # noqa: E402

from wslab.classroom.command import grade_all  # noqa: E402
from wslab.classroom.rows import KEPT, Kept  # noqa: E402
from wslab.classroom.submissions import find  # noqa: E402
from wslab.grading.grade import PRISTINE  # noqa: E402

AIM = 0.65


def hand_in(folder):
    """Write the solved notebook of each lesson."""
    answers = references()
    for path in PRISTINE.glob("*.ipynb"):
        notebook = json.loads(path.read_text("utf-8"))
        for cell in notebook["cells"]:
            if cell["id"].startswith("answer-"):
                cell["source"] = answers[cell["id"][7:].replace("-", ".")]
        (folder / f"reference_{path.name}").write_text(json.dumps(notebook), "utf-8")


def graded(folder, jobs):
    """The seconds for all of them, nothing kept from before."""
    table = {}
    (folder / KEPT).unlink(missing_ok=True)
    began = time.perf_counter()
    asyncio.run(grade_all(find(folder).submissions, Kept(folder / KEPT), table, jobs=jobs))
    seconds = time.perf_counter() - began
    for row in (row for rows in table.values() for row in rows if not row.passed):
        print(f"not passed, so the figures count for little: {row.exercise} {row.feedback}")
    return seconds


def main(rounds):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hand_in(folder)
        ratios = []
        for _ in range(rounds):
            one, two = graded(folder, 1), graded(folder, 2)
            ratios.append(two / one)
            print(f"one job {one:6.1f} s   two jobs {two:6.1f} s   ratio {two / one:.2f}", flush=True)
        print(f"ratio: median {statistics.median(ratios):.2f}, aim {AIM}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
