"""The grade: honest work passes, and nothing else does, whatever it tries."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import warnings

import psutil
import pytest
from attacks import ATTACKS, EXERCISES, LIMIT_MB, LIMIT_S, NOTEBOOK, START_S, cell, launch
from kit import ROOT, asked, cases, matches, module, number, references
from nbval.plugin import find_comment_markers

from wslab import catalogue, remote
from wslab.grading import rebuild
from wslab.grading.desk import Desk, Expected
from wslab.grading.grade import PRISTINE, grade
from wslab.grading.verdict import Outcome, Ran, decide
from wslab.judge import Line, Verdict
from wslab.report import Report

# One of each kind on the handler exercise in the default run; everything on every exercise with --slow.
QUICK = {
    ("answer doubled", "2.2"),
    ("tag nbval-skip", "2.2"),
    ("hard-coded outputs", "2.4"),
    ("object that equals everything", "2.1"),
    ("os._exit", "2.2"),
    ("while True", "2.2"),
    ("endless print", "2.1"),
    ("kill of the parent pytest", "2.2"),
    ("daemon left behind", "2.2"),
    ("noisy right answer", "2.4"),
}


@pytest.mark.parametrize(
    ("attack", "exercise"),
    [
        pytest.param(
            attack,
            exercise,
            id=f"{attack.name} {exercise}",
            marks=() if (attack.name, exercise) in QUICK else pytest.mark.slow,
        )
        for attack in ATTACKS
        for exercise in attack.on
    ],
)
def test_attack_gets_its_verdict(attack, exercise):
    """Each attack ends with the verdict that it deserves, in time, in little memory, and leaves nothing running."""
    result = launch(attack, exercise)
    assert result.grade.outcome.value == attack.expected, result.grade.text
    assert result.seconds - result.start < LIMIT_S - START_S
    assert result.megabytes < LIMIT_MB
    assert result.left == 0
    if attack.name == "daemon left behind":
        assert result.grade.left_behind == 1


# Whole notebooks -----------------------------------------------------------------------------------------------


def solved(path, lesson, **sources):
    """Write the lesson's notebook with the reference answers, or with `sources` such as `a2_1` instead."""
    notebook = json.loads((PRISTINE / f"{lesson}.ipynb").read_text("utf-8"))
    for exercise, source in references().items():
        if catalogue.index()[exercise]["lesson"] == lesson:
            cell(notebook, "answer", exercise)["source"] = sources.get(f"a{exercise.replace('.', '_')}", source)
    path = path / f"{lesson}.ipynb"
    path.write_text(json.dumps(notebook), "utf-8")
    return path


def lessons():
    """The exercises of each lesson; one lesson in the default run, all with --slow."""
    found = {}
    for exercise, entry in catalogue.index().items():
        found.setdefault(entry["lesson"], []).append(exercise)
    return [
        pytest.param(lesson, exercises, marks=() if NOTEBOOK.startswith(lesson) else pytest.mark.slow, id=lesson)
        for lesson, exercises in found.items()
    ]


@pytest.mark.parametrize(("lesson", "exercises"), lessons())
def test_references_pass(tmp_path, lesson, exercises):
    """A notebook with the reference answers passes as a whole, in one kernel; the passed report is the notebook's."""
    begun = []
    grades = asyncio.run(grade(solved(tmp_path, lesson), exercises, begun.append))
    assert [graded.text for graded in grades if not graded.passed] == []
    assert len(begun) == len(set(begun))
    for graded in grades:
        assert graded.text == Expected.fresh(graded.exercise).text.rpartition("\n")[0]


def test_one_exercise_cannot_take_the_others_along(tmp_path):
    """Where one answer kills the kernel, the others are graded all the same."""
    path = solved(tmp_path, "02_request_response", a2_1="import os\nos._exit(0)")
    grades = asyncio.run(grade(path, ["2.1", "2.2"]))
    assert [graded.outcome for graded in grades] == [Outcome.CRASHED, Outcome.PASSED]


def test_nobody_is_blamed_for_another_answer(tmp_path):
    """An answer that kills the kernel later, while another exercise is checked, does not cost that one its verdict."""
    bomb = "import os, threading\nthreading.Timer(0.3, os._exit, [0]).start()\n" + references()["2.1"]
    [graded] = asyncio.run(grade(solved(tmp_path, "02_request_response", a2_1=bomb), ["2.2"]))
    assert graded.passed, graded.text


def test_nothing_outlives_a_judge_that_is_killed(tmp_path):
    """When the checking process dies in the middle of a run, pytest and kernel end by themselves."""
    path = solved(tmp_path, "02_request_response", a2_1="while True: pass")
    code = "import asyncio, sys; from pathlib import Path; from wslab.grading.grade import grade; "
    code += "asyncio.run(grade(Path(sys.argv[1]), ['2.1'], lambda cell: print(cell, flush=True)))"
    command = [sys.executable, "-c", code, str(path)]
    judge = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    while judge.stdout.readline().strip() != "answer-2-1":
        pass
    started = psutil.Process(judge.pid).children(recursive=True)
    judge.kill()
    judge.wait()
    judge.stdout.close()
    assert len(started) >= 2
    assert psutil.wait_procs(started, timeout=3)[1] == []


def test_what_is_defined_elsewhere_is_named(tmp_path):
    """A helper in a cell of the learner's own is lost, and the report says what to do."""
    path = solved(tmp_path, "02_request_response", a2_1="def predict_timeline(delays, mode): return helper()")
    notebook = json.loads(path.read_text("utf-8"))
    notebook["cells"].insert(3, {"cell_type": "code", "id": "mine", "source": "def helper(): ...", "metadata": {}})
    path.write_text(json.dumps(notebook), "utf-8")
    [graded] = asyncio.run(grade(path, ["2.1"]))
    assert "`helper` is defined outside the answer cell: move it in" in graded.text


# Outside as inside ---------------------------------------------------------------------------------------------

LEARNER = """
import importlib.util, sys
import wslab
path, exercise, *names = sys.argv[1:]
spec = importlib.util.spec_from_file_location("answer", path)
answer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(answer)
wslab.check(exercise, *(getattr(answer, name) for name in names))
"""


async def judged(path, exercise, names):
    """What a judge here says about the answer in the file `path`, which runs in a process of its own."""
    catalogue.load_behaviours(exercise)
    limits = {exercise: float(catalogue.index()[exercise]["limit_s"])}
    async with Desk({exercise: Expected.fresh(exercise)}, limits) as desk:
        learner = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LEARNER, str(path), exercise, *names),
            env=os.environ | {remote.VARIABLE: desk.address},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await asyncio.wait_for(learner.wait(), 60)
        return desk.verdicts[exercise]


def firsts(paths):
    """One of each kind of exercise in the default run, all with --slow."""
    first = {number(path): path for path in reversed(paths) if number(path) in EXERCISES}
    return [
        pytest.param(path, marks=() if path in first.values() else pytest.mark.slow, id=f"{number(path)} {path.stem}")
        for path in paths
    ]


@pytest.mark.parametrize("path", firsts(cases("mutants")))
async def test_wrong_solution_meets_the_same_line_outside(path):
    """At the other end of a socket the feedback is the same."""
    verdict = await judged(path, number(path), asked(number(path)))
    assert matches(verdict.wrong.line, module(path).__doc__), verdict.wrong.line


@pytest.mark.parametrize("path", firsts(cases("unusual")))
async def test_unusual_solution_passes_outside(path):
    """A right solution of unusual form passes at the other end of a socket."""
    verdict = await judged(path, number(path), asked(number(path)))
    assert verdict.passed, Report(verdict).text


# Parts ---------------------------------------------------------------------------------------------------------


def test_nbval_obeys_no_comment_of_an_answer():
    """Marks are defused in comments and strings, whatever ends their lines; other text stays."""
    source = 'x = """\n  # NBVAL_SKIP\n"""\n## NBVAL_IGNORE_OUTPUT\r\n#NBVAL_CHECK_OUTPUT\x0c# NBVAL_RAISES_EXCEPTION\n'
    source += "# about NBVAL_SKIP"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbval's, about marks that contradict each other
        assert len(list(find_comment_markers(source))) == 4
    assert not list(find_comment_markers(rebuild.defused(source)))
    assert rebuild.defused(source).splitlines()[-1] == "# about NBVAL_SKIP"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}', "[" * 100_000])
def test_what_is_no_notebook_is_unreadable(tmp_path, text):
    """Broken JSON and JSON that is no notebook are told apart from notebooks."""
    (tmp_path / "x.ipynb").write_text(text, "utf-8")
    with pytest.raises(rebuild.Unreadable, match="cannot be read as a notebook"):
        rebuild.read(tmp_path / "x.ipynb")


CELLS = ["setup", "answer-2-2", "check-2-2"]
GOOD = Verdict("2.2", [Line("ok", "all")])


@pytest.mark.parametrize(
    ("ran", "verdict", "outcome"),
    [
        ({name: Ran(name, True) for name in CELLS}, GOOD, Outcome.PASSED),
        ({name: Ran(name, True) for name in CELLS}, None, Outcome.FAILED),
        ({name: Ran(name, True) for name in CELLS}, Verdict("2.2"), Outcome.FAILED),
        ({name: Ran(name, True) for name in CELLS[:2]}, GOOD, None),
        ({name: Ran(name, name != "check-2-2") for name in CELLS}, GOOD, Outcome.FAILED),
        ({name: Ran(name, name != "answer-2-2") for name in CELLS}, GOOD, Outcome.FAILED),
        ({"setup": Ran("setup", False, error="ImportError: x")}, None, Outcome.NOT_RUNNABLE),
        ({"setup": Ran("setup", True), "answer-2-2": Ran("answer-2-2", False, "crashed")}, GOOD, Outcome.CRASHED),
        ({"setup": Ran("setup", True), "answer-2-2": Ran("answer-2-2", False, "timed out")}, None, Outcome.TIMED_OUT),
        ({}, None, None),
    ],
)
def test_only_positive_evidence_passes(ran, verdict, outcome):
    """The judge's word and every planned cell are needed; what is missing is never a pass."""
    graded = decide("2.2", CELLS, ran, verdict)
    assert graded is outcome is None or graded.outcome is outcome


def test_a_key_is_needed_to_be_judged():
    """Whoever does not know the run's key gets nothing from the judge."""
    from websockets import connect
    from websockets.exceptions import ConnectionClosed

    async def knock():
        catalogue.load_behaviours("2.1")
        async with Desk({"2.1": Expected.fresh("2.1")}, {"2.1": 5.0}) as desk:
            for path in ("", "/x/2.1", f"/{desk.address.rpartition('/')[2]}/9.9"):
                async with connect(desk.address.rpartition("/")[0] + path, proxy=None) as ws:
                    with pytest.raises(ConnectionClosed):
                        await asyncio.wait_for(ws.recv(), 2)
            return desk.verdicts

    assert asyncio.run(knock()) == {}
