"""What a learner has done so far: kept by checks, grades and hints, shown as a table."""

from __future__ import annotations

import subprocess
import sys

import pytest
from kit import ROOT, define, references

from wslab import check, hint, progress, state
from wslab.report import NotSolved


def row(exercise):
    """State and hints of an exercise, as the table shows them."""
    line = next(line for line in progress.table().splitlines() if line.startswith(exercise))
    return line.split()[1:3]


def test_nothing_done_is_an_empty_table():
    """Every exercise has its line from the start, and the last line counts."""
    lines = progress.table().splitlines()
    assert lines[0].split() == ["exercise", "state", "hints", "title"]
    assert row("2.2") == ["-", "-"]
    assert lines[-1].startswith("0 of ")


def test_checks_and_hints_are_remembered():
    """A failed check is a try, a passed one stays passed whatever comes later; hints count up to their number."""
    with pytest.raises(NotSolved):
        check("0.2", define("0.2", "async def echo(ws): ...")[0])
    assert row("0.2") == ["tried", "-"]
    for step in (1, 2, 3, 3):
        assert hint("0.2").step == step
    check("0.2", define("0.2", references()["0.2"])[0])
    assert row("0.2") == ["passed", "3"]
    progress.remember("0.2", "0.2 broken again")
    assert row("0.2") == ["passed", "3"]
    assert progress.table().splitlines()[-1].startswith("1 of ")


def test_hint_without_an_id_is_about_what_failed_last():
    """It goes once that exercise has passed; another exercise's pass changes nothing."""
    progress.remember("2.1", "2.1 order: wrong")
    progress.remember("2.2", "")
    assert progress.failed() == ("2.1", "2.1 order: wrong")
    assert "Your last check said: 2.1 order: wrong" in repr(hint())
    progress.remember("2.1", "")
    assert progress.failed() == ("", "")


def test_an_untouched_exercise_is_not_tried():
    """A grade of a whole notebook does not count the exercises that nobody has begun."""
    progress.remember("2.3", "2.3 nothing there", tried=False)
    assert row("2.3") == ["-", "-"]
    assert progress.failed()[0] == "2.3"


@pytest.mark.parametrize("kept", [{"passed": 3, "tried": [], "failed": "x"}, {"failed": None}, {"hints": 1}])
def test_nonsense_counts_as_not_there(kept):
    """A file of the right name with the wrong content costs nothing but what it held."""
    state.write("progress", kept)
    state.write("hints", {"2.2": "many", "2.1": -4})
    assert row("2.2") == row("2.1") == ["-", "-"]
    progress.remember("2.2", "")
    assert row("2.2") == ["passed", "-"]


def test_processes_that_remember_at_once_lose_nothing():
    """The notebook's kernel and `wslab check --watch` may write at the same moment."""
    code = "import sys; from wslab import progress\nfor n in range(20): progress.remember(f'{sys.argv[1]}.{n}', '')"
    command = [sys.executable, "-c", code]
    writers = [subprocess.Popen([*command, str(n)], cwd=ROOT) for n in range(3)]
    assert [writer.wait(30) for writer in writers] == [0, 0, 0]
    assert len(state.read("progress")["passed"]) == 60
