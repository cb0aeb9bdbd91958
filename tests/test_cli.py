"""The command line, on real notebooks and real kernels, in a copy of the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from kit import ROOT, references


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the command line works on, at a path with a space and a letter beyond ASCII."""
    copy = tmp_path / "kurs für alle"
    for folder in ("wslab", "exercises", "notebooks", "checkpoint"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def wslab(checkout, *arguments, **env):
    """Run `wslab` with these arguments in the copy."""
    return subprocess.run(
        [sys.executable, "-m", "wslab.cli", *arguments],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout), "WSLAB_STATE": str(checkout / "state")} | env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def solve(path, *exercises):
    """Put the reference answers into a learner's notebook, as a learner would save them."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for exercise in exercises:
            if cell.id == f"answer-{exercise.replace('.', '-')}":
                cell.source = references()[exercise]
    nbformat.write(notebook, path)


def test_check_prints_the_reports_of_the_saved_notebook(checkout):
    """Unsolved fails with every report; half solved fails; solved passes."""
    path = checkout / "exercises" / "02_request_response.ipynb"
    unsolved = wslab(checkout, "check", "2")
    assert unsolved.returncode == 1, unsolved.stderr
    assert "2.1  FAIL" in unsolved.stdout and "2.2  FAIL" in unsolved.stdout
    assert "Traceback" not in unsolved.stdout
    solve(path, "2.1")
    assert wslab(checkout, "check", "2.1").returncode == 0
    every = [exercise for exercise in references() if exercise.startswith("2.")]
    solve(path, *every)
    solved = wslab(checkout, "check", "2")
    assert solved.returncode == 0, solved.stdout
    assert all(f"{exercise}  solved" in solved.stdout for exercise in every)


def test_check_as_data_and_for_the_next_hint(checkout):
    """`--json` prints the verdicts; what failed is what a hint without an id is about."""
    solve(checkout / "exercises" / "02_request_response.ipynb", "2.2")
    result = wslab(checkout, "check", "2.2", "--json")
    told = json.loads(result.stdout)
    assert (result.returncode, told["passed"]) == (0, True)
    assert told["exercises"][0]["verdict"] == "passed" and told["exercises"][0]["report"][-1] == "2.2  solved"
    failed = json.loads(wslab(checkout, "check", "0.2", "--json").stdout)
    assert [row["verdict"] for row in failed["exercises"]] == ["failed"] and not failed["passed"]
    assert "Your last check said: 0.2 closed" in wslab(checkout, "hint").stdout
    rows = {line.split()[0]: line.split()[1:3] for line in wslab(checkout, "progress").stdout.splitlines() if line}
    assert (rows["2.2"], rows["0.2"], rows["2.1"]) == (["passed", "-"], ["-", "1"], ["-", "-"])


def test_check_shows_the_recording_of_what_failed(checkout):
    """The arrow to look at stands in the recording above the report, marked."""
    path = checkout / "exercises" / "00_start_here.ipynb"
    notebook = nbformat.read(path, as_version=4)
    answer = next(cell for cell in notebook.cells if cell.id == "answer-0-2")
    answer.source = "async def echo(ws):\n    async for message in ws:\n        await ws.send('no')"
    nbformat.write(notebook, path)
    text = wslab(checkout, "check", "0.2").stdout
    assert "◀── here" in text and "look at: arrow 4 of the recording" in text


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of its own needs a pty")
def test_check_shows_a_bar_on_a_terminal_and_takes_it_away(checkout):
    """On a terminal the cell that runs is named; nothing of it stays."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "wslab.cli", "check", "2.2"]
    env = os.environ | {"PYTHONPATH": str(checkout), "WSLAB_STATE": str(checkout / "state")}
    subprocess.run(command, cwd=checkout, env=env, stdout=subprocess.DEVNULL, stderr=theirs, timeout=120)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "check-2-2" in shown and shown.endswith("\r\033[K")


def test_check_survives_a_broken_notebook(checkout):
    """A file that is no notebook gets one line and exit status 3, and stays as it is."""
    path = checkout / "exercises" / "02_request_response.ipynb"
    path.write_text('{"cells": [', encoding="utf-8")
    result = wslab(checkout, "check", "2")
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1 and "cannot be read as a notebook" in result.stderr
    assert path.read_text(encoding="utf-8") == '{"cells": ['


@pytest.mark.parametrize("what", ["9", "x", "2.9"])
def test_unknown_things_get_one_line(checkout, what):
    """A lesson or exercise that does not exist is told, with what there is."""
    result = wslab(checkout, "check", what)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr


def test_hint_goes_on_from_step_to_step(checkout):
    """The command line and the notebook count the same hints."""
    assert "Hint 1 of 3 for 2.2" in wslab(checkout, "hint", "2.2").stdout
    assert "Hint 2 of 3 for 2.2" in wslab(checkout, "hint", "2.2").stdout
    assert "there is no failed check" in wslab(checkout, "hint").stderr


def test_reset_restores_and_keeps_the_learners_work(checkout):
    """The pristine notebook comes back; what the learner had is a dated backup, byte for byte."""
    path = checkout / "exercises" / "02_request_response.ipynb"
    pristine = path.read_bytes()
    solve(path, "2.2")
    mine = path.read_bytes()
    result = wslab(checkout, "reset", "2")
    assert result.returncode == 0, result.stderr
    assert path.read_bytes() == pristine
    [backup] = path.parent.glob("02_request_response.backup-*.ipynb")
    assert backup.read_bytes() == mine
    assert backup.name in result.stdout
    again = wslab(checkout, "reset", "2")
    assert "as it was already" in again.stdout
    assert len(list(path.parent.glob("*.backup-*"))) == 1


def test_reset_repairs_a_broken_notebook(checkout):
    """A notebook that cannot be read any more is kept and replaced."""
    path = checkout / "notebooks" / "02_request_response.ipynb"
    path.write_text("{", encoding="utf-8")
    assert wslab(checkout, "reset", "2", "--lesson-notebook").returncode == 0
    assert json.loads(path.read_text(encoding="utf-8"))["nbformat"] == 4
    assert [p.read_text() for p in path.parent.glob("*.backup-*")] == ["{"]


def test_reset_brings_back_the_questions(checkout):
    """The checkpoint's notebook goes by its name; another word is no lesson."""
    path = checkout / "checkpoint" / "questions.ipynb"
    pristine = path.read_bytes()
    path.write_text("{", encoding="utf-8")
    assert wslab(checkout, "reset", "questions").returncode == 0
    assert path.read_bytes() == pristine
    assert "invalid" in wslab(checkout, "reset", "answers").stderr


def test_doctor_finds_a_healthy_kit(checkout):
    """Every probe says ok, also with a proxy set."""
    result = wslab(checkout, "doctor", http_proxy="http://127.0.0.1:9")
    assert result.returncode == 0, result.stdout
    assert "'hello' came back" in result.stdout and "problem" not in result.stdout


def test_pristine_copies_are_what_the_builder_makes():
    """The copies that `reset` hands out are the notebooks as they ship."""
    for kind, folder in (("lesson", "notebooks"), ("exercise", "exercises"), ("checkpoint", "checkpoint")):
        copies = sorted((ROOT / "wslab" / "pristine" / kind).glob("*.ipynb"))
        assert copies
        for copy in copies:
            assert copy.read_bytes() == (ROOT / folder / copy.name).read_bytes(), copy.name
