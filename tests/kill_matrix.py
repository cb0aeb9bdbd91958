"""Print which line each wrong solution meets: python tests/kill_matrix.py [2.2 ...]

One row for each reference, unusual and wrong solution; the last column says what is not as it should be.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import time

from kit import cases, define, matches, module, number, picked, references

from wslab import check
from wslab.report import NotSolved


def verdict(exercise: str, answer: tuple) -> tuple[str, float]:
    """The feedback line that `answer` meets, or "passed"; and the seconds it took."""
    began = time.monotonic()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            check(exercise, *answer)
        line = "passed"
    except NotSolved as exc:
        line = exc.report.verdict.wrong.line
    return line, time.monotonic() - began


def rows(exercise: str):
    """Yield name, line and seconds of each solution of `exercise`, and whether it is as it should be."""
    line, seconds = verdict(exercise, define(exercise, references()[exercise]))
    yield "reference", line, seconds, line == "passed"
    for kind in ("unusual", "mutants"):
        for path in cases(kind):
            if number(path) == exercise:
                loaded = module(path)
                line, seconds = verdict(exercise, picked(loaded, exercise))
                good = line == "passed" if kind == "unusual" else matches(line, loaded.__doc__)
                yield path.stem, line, seconds, good


def main(wanted: list[str]) -> int:
    """Print the matrix; the exit status is 0 if all is as it should be."""
    wrong = total = 0
    with tempfile.TemporaryDirectory() as state:
        os.environ["WSLAB_STATE"] = state
        for exercise in wanted or references():
            for name, line, seconds, good in rows(exercise):
                total, wrong = total + 1, wrong + (not good)
                print(f"{exercise}  {name:<36.36}{seconds:5.1f} s  {'' if good else 'WRONG  '}{line:.110}", flush=True)
    print(f"{total} solutions, {wrong} not as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
