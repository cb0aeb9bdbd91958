"""What a second worker is worth: python tests/bench/bench_lessons.py [ROUNDS] [NAME ...]

Strict nbval over all lessons (or those whose file name begins with a NAME), a process for each, by one worker and by
two, interleaved. Prints the seconds of each round, and the median of the ratio of two workers to one. Nothing here is a
test: figures swing with the machine, and mean little while it does other work.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from lessons import LESSONS, copy, nbval  # noqa: E402

GOAL = 0.65


def seconds(folder, lessons, workers):
    """How long `workers` need for `lessons`."""
    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        for done in pool.map(lambda lesson: nbval(folder, folder / "notebooks" / f"{lesson.stem}.ipynb"), lessons):
            assert done.returncode == 0, done.stdout
    return time.perf_counter() - began


def main(rounds="3", *names):
    """Print a line for each round, then the median."""
    lessons = [lesson for lesson in LESSONS if lesson.stem.startswith(names or ("",))]
    with tempfile.TemporaryDirectory() as place:
        folder = copy(Path(place), "notebooks", "exercises")
        os.environ["WSLAB_STATE"], os.environ["LANGUAGE"] = str(folder / "state"), "en"
        ratios = []
        for number in range(int(rounds)):
            found = {workers: seconds(folder, lessons, workers) for workers in ((1, 2), (2, 1))[number % 2]}
            ratios.append(found[2] / found[1])
            print(f"1 worker {found[1]:6.1f} s   2 workers {found[2]:6.1f} s   ratio {ratios[-1]:.2f}", flush=True)
    print(f"median of {rounds}: {statistics.median(ratios):.2f} (goal: at most {GOAL})")


if __name__ == "__main__":
    main(*sys.argv[1:])
