"""A class graded at once: every notebook gets its rows, whatever the others do, here and on a cluster."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from html.parser import HTMLParser

import psutil
import pytest
from kit import EXERCISES, ROOT, build, cases, number, references

from wslab import cli
from wslab.classroom.command import grade_all
from wslab.classroom.misconceptions import met, recognised
from wslab.classroom.page import page
from wslab.classroom.rows import KEPT, Kept, Row, write_csv
from wslab.classroom.single import graded
from wslab.classroom.submissions import find
from wslab.errors import LabError
from wslab.grading.grade import PRISTINE

LESSON = "00_start_here"


def write(path, sources=None):
    """Write the lesson's notebook to `path`, with `sources` by exercise as answers, else as it ships."""
    notebook = json.loads((PRISTINE / f"{LESSON}.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        if cell["id"].startswith("answer-"):
            cell["source"] = (sources or {}).get(cell["id"][7:].replace("-", "."), cell["source"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), "utf-8")


def wrong(exercise):
    """A wrong solution of `exercise`: what it is called in the table, and its source."""
    path = next(path for path in cases("mutants") if number(path) == exercise)
    return path.stem.partition("_")[2].replace("_", " "), path.read_text("utf-8")


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["learner"], row["exercise"]): row for row in csv.DictReader(file)}


@pytest.fixture
def learners_folder(tmp_path, monkeypatch):
    """An exercises folder of a learner's own, as it ships."""
    folder = tmp_path / "exercises"
    folder.mkdir()
    for path in (*PRISTINE.glob("*.ipynb"), EXERCISES / "exercises.toml"):
        shutil.copy(path, folder)
    monkeypatch.setenv("WSLAB_EXERCISES", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


# What was handed in --------------------------------------------------------------------------------------------


def test_every_layout_is_found(tmp_path):
    """A folder for each learner, all in one folder, nbgrader's and zips: names say whose a notebook is."""
    for name in (
        f"ada/{LESSON}.ipynb",
        f"bob/week 1/{LESSON}.ipynb",
        f"carol_{LESSON}.ipynb",
        f"dave_x_{LESSON}.ipynb",
        f"ada/.ipynb_checkpoints/{LESSON}-checkpoint.ipynb",
        f"ada/{LESSON}.backup-2026-01-01.ipynb",
    ):
        write(tmp_path / name)
    (tmp_path / "bob" / "notes.ipynb").write_text("{}")
    write(tmp_path / f"{LESSON}.ipynb")  # nobody's
    with zipfile.ZipFile(tmp_path / "wslab-eve.zip", "w") as packed:
        packed.write(tmp_path / "ada" / f"{LESSON}.ipynb", f"mallory/{LESSON}.ipynb")
    found = find(tmp_path)
    assert sorted((one.learner, one.lesson) for one in found.submissions) == [
        (learner, LESSON) for learner in ("ada", "bob", "carol", "dave_x", "eve")
    ]
    assert found.passed_over == [f"{LESSON}.ipynb", "bob/notes.ipynb"]
    assert all(json.loads(one.content()) for one in found.submissions)


@pytest.mark.parametrize("inside", ["", "submitted"])
def test_nbgrader_layout_is_found(tmp_path, inside):
    """nbgrader's course folder is taken as it is, and its `submitted`, too."""
    write(tmp_path / "submitted" / "ada" / "week1" / f"{LESSON}.ipynb")
    write(tmp_path / "source" / "week1" / f"{LESSON}.ipynb")
    [one] = find(tmp_path / inside).submissions
    assert one.learner == "ada"


def test_two_notebooks_for_one_lesson_are_a_problem(tmp_path):
    """Nobody guesses which of two notebooks counts."""
    write(tmp_path / "ada" / f"{LESSON}.ipynb")
    write(tmp_path / "ada" / "new" / f"{LESSON}.ipynb")
    [one] = find(tmp_path).submissions
    with pytest.raises(LabError, match=f"2 notebooks .*: leave one of ada/{LESSON}.ipynb, new/{LESSON}.ipynb"):
        one.content()


@pytest.mark.parametrize(("place", "text"), [("nowhere", "there is no folder"), (".", "there is no exercise notebook")])
def test_nothing_to_grade_is_said(tmp_path, capsys, place, text):
    """A folder without notebooks is no success."""
    assert cli.main(["grade", str(tmp_path / place)]) == 1
    assert text in capsys.readouterr().err


# A class -------------------------------------------------------------------------------------------------------


def test_one_bad_submission_never_stops_the_rest(learners_folder, tmp_path, monkeypatch, capsys):
    """Exported, wrong, not begun, crashing, corrupt: a row for each exercise; the second time nothing is graded."""
    folder, right, (name, mutant) = tmp_path / "class", references(), wrong("0.2")
    write(learners_folder / f"{LESSON}.ipynb", right)
    folder.mkdir()
    assert cli.main(["export", "--name", "ada", "--to", str(folder / "wslab-ada.zip")]) == 0
    monkeypatch.delenv("WSLAB_EXERCISES")
    write(folder / "bob" / f"{LESSON}.ipynb", {"0.2": mutant})
    write(folder / "dave" / f"{LESSON}.ipynb", {"0.2": "import os\nos._exit(0)"})
    (folder / "eve").mkdir()
    (folder / "eve" / f"{LESSON}.ipynb").write_text("{", "utf-8")
    (folder / "frank.zip").write_bytes(b"no zip")
    out, html, kept = tmp_path / "out.csv", tmp_path / "report.html", folder / KEPT
    command = ["grade", str(folder), "--jobs", "2", "--csv", str(out), "--html", str(html)]
    assert cli.main(command) == 0
    rows = table(out)
    assert {key: (row["verdict"], row["misconception"]) for key, row in rows.items()} == {
        ("ada", "0.1"): ("passed", ""),
        ("ada", "0.2"): ("passed", ""),
        ("bob", "0.1"): ("failed", "not begun"),
        ("bob", "0.2"): ("failed", name),
        ("dave", "0.1"): ("failed", "not begun"),
        ("dave", "0.2"): ("crashed", "other"),
        ("eve", "0.1"): ("not runnable", ""),
        ("eve", "0.2"): ("not runnable", ""),
        ("frank", ""): ("not runnable", ""),
    }
    assert "cannot be read as a notebook" in rows["eve", "0.1"]["feedback"]
    assert f"0.2     1/3   {name}" in capsys.readouterr().out

    first, before = out.read_text("utf-8"), kept.read_text("utf-8")
    assert cli.main(command) == 0
    assert out.read_text("utf-8") == first
    assert kept.read_text("utf-8") == before

    write(folder / "bob" / f"{LESSON}.ipynb", right)
    kept.write_text(before + '\n{"key": "cut o', "utf-8")
    assert cli.main(command) == 0
    assert table(out)["bob", "0.2"]["verdict"] == "passed"
    assert kept.read_text("utf-8").count('"key"') == before.count('"key"') + 2  # the line cut off, and bob's new one


@pytest.mark.slow
def test_a_notebook_that_hangs_costs_only_its_own_time(tmp_path):
    """An answer that never ends, and a process that keeps the judge from its work, are rows like others."""
    write(tmp_path / "ada" / f"{LESSON}.ipynb", references())
    write(tmp_path / "bob" / f"{LESSON}.ipynb", references() | {"0.1": "while True: pass"})
    kill = "import os, psutil\nfor process in psutil.Process().parents()[:2]:\n    process.kill()"
    write(tmp_path / "carol" / f"{LESSON}.ipynb", {"0.1": kill})
    out = tmp_path / "out.csv"
    assert cli.main(["grade", str(tmp_path), "--jobs", "2", "--csv", str(out)]) == 0
    verdicts = {key: row["verdict"] for key, row in table(out).items()}
    assert [verdicts[learner, "0.1"] for learner in ("ada", "bob", "carol")] == ["passed", "timed out", "not runnable"]
    assert [verdicts[learner, "0.2"] for learner in ("ada", "bob", "carol")] == ["passed", "passed", "not runnable"]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send Ctrl+C to one other there")
def test_ctrl_c_keeps_what_is_done(tmp_path):
    """Ctrl+C ends everything that runs, writes the rows that there are, and says that the rest is left."""
    folder, out = tmp_path / "class", tmp_path / "out.csv"
    write(folder / "ada" / f"{LESSON}.ipynb", references())
    write(folder / "bob" / f"{LESSON}.ipynb", {"0.1": "while True: pass"})
    command = [sys.executable, "-m", "wslab.cli", "grade", str(folder), "--jobs", "1", "--csv", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as run:
        process, started = psutil.Process(run.pid), []
        while not (folder / KEPT).exists() or not started:
            assert run.poll() is None
            started = process.children(recursive=True)
        run.send_signal(signal.SIGINT)
        said = run.stdout.read()
        assert run.wait() == 130
    assert {learner for learner, _ in table(out)} == {"ada"}
    assert "1 notebook is left: the same command goes on where this one ended" in said
    assert psutil.wait_procs(started, timeout=5)[1] == []


def test_a_dask_cluster_does_the_same(tmp_path):
    """Two workers, one of them killed half-way: every notebook has its rows."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed: pip install -e .[class]")
    for learner in ("ada", "bob", "carol"):
        write(tmp_path / learner / f"{LESSON}.ipynb")
    options = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    killed, rows = [], {}

    def kill_one(_):
        if not killed:
            busy = next(worker.address for worker in cluster.scheduler.workers.values() if worker.processing)
            killed.extend(nanny.pid for nanny in cluster.workers.values() if nanny.worker_address == busy)
            psutil.Process(killed[0]).kill()

    with distributed.LocalCluster(local_directory=str(tmp_path / "dask"), **options) as cluster:
        found = find(tmp_path).submissions
        asyncio.run(grade_all(found, Kept(tmp_path / KEPT), rows, kill_one, dask=cluster.scheduler_address))
    assert len(killed) == 1
    assert sorted((row.learner, row.exercise, row.verdict) for own in rows.values() for row in own) == [
        (learner, exercise, "failed") for learner in ("ada", "bob", "carol") for exercise in ("0.1", "0.2")
    ], rows


def test_other_exercises_grade_nothing(tmp_path):
    """A machine whose exercises are not those of the one that asks refuses, so that all verdicts mean the same."""
    write(tmp_path / "ada" / f"{LESSON}.ipynb", references())
    [submission] = find(tmp_path).submissions
    rows = asyncio.run(graded(submission, submission.content(), "others"))
    assert {row.verdict for row in rows} == {"not runnable"}
    assert all("are not the same: bring the kit up to date" in row.feedback for row in rows)


def test_a_cluster_that_is_not_there_is_said(tmp_path, capsys):
    """An address without a scheduler ends in one line."""
    pytest.importorskip("distributed", reason="distributed is not installed: pip install -e .[class]")
    write(tmp_path / "ada" / f"{LESSON}.ipynb")
    assert cli.main(["grade", str(tmp_path), "--dask", "nonsense://nowhere"]) == 1
    assert "no Dask scheduler answers at nonsense://nowhere" in capsys.readouterr().err


# What a teacher reads ------------------------------------------------------------------------------------------

EVIL = "<script>alert(1)</script>\"'&\x00\ud800\n=1"


class Tags(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") or name in ("href", "src") for name, _ in attrs)

    def handle_data(self, data):
        self.text += data


def test_report_escapes_everything(tmp_path):
    """Names and feedback are text, whatever they hold: no element, no script, no formula comes of them."""
    rows = [Row(EVIL, "2.2", "failed", EVIL), Row("=cmd", "2.1", "passed", "")]
    shown = Tags(page(rows))
    assert "script" not in shown.tags
    assert shown.text.count("<script>alert(1)</script>\"'&\N{REPLACEMENT CHARACTER}? =1") >= 3
    page(rows).encode("utf-8")
    write_csv(tmp_path / "out.csv", rows, {rows[0]: "other"})
    assert {learner for learner, _ in table(tmp_path / "out.csv")} >= {"'=cmd"}


def test_known_wrong_solutions_are_counted():
    """A feedback line is matched with the lines of the wrong solutions, values filled in; the frequent come first."""
    line = "2.2 id: sent id 17, got 18. Send back the client's id unchanged."
    rows = [Row(learner, "2.2", "failed", line) for learner in ("ada", "bob")]
    rows += [Row("carol", "2.2", "failed", "2.2 something else"), Row("dave", "2.2", "passed")]
    rows += [Row("eve", "2.2", "failed", line, begun=False), Row("frank", "2.2", "not runnable", line)]
    assert [(one.misconception.name, list(one.learners), one.began) for one in met(rows)] == [
        (recognised(rows)[rows[0]].name, ["ada", "bob"], 4),
        ("other", ["carol"], 4),
    ]
    assert recognised(rows)[rows[0]].line.startswith("2.2 id: sent id {i}")


# Handing in ----------------------------------------------------------------------------------------------------


def test_export_packs_what_was_begun_and_no_more(learners_folder, capsys):
    """The zip holds the notebooks with answers, without outputs, and what was predicted only if asked."""
    assert cli.main(["export", "--name", "ada"]) == 1
    assert "no exercise has been begun" in capsys.readouterr().err
    path = learners_folder / f"{LESSON}.ipynb"
    write(path, references())
    notebook = json.loads(path.read_text("utf-8"))
    output = {"output_type": "stream", "name": "stdout", "text": f"File {ROOT}/exercises/solutions"}
    notebook["cells"][-1] |= {"cell_type": "code", "outputs": [output], "execution_count": 7}
    notebook["metadata"]["folder"] = str(ROOT)
    path.write_text(json.dumps(notebook), "utf-8")
    before = path.read_bytes()
    assert cli.main(["export", "--name", "ada"]) == 0
    assert cli.main(["export", "--name", "ada", "--state", "--to", "all.zip"]) == 0
    assert path.read_bytes() == before
    with zipfile.ZipFile("wslab-ada.zip") as packed, zipfile.ZipFile("all.zip") as with_state:
        assert packed.namelist() == [f"ada/{LESSON}.ipynb"]
        assert with_state.namelist() == [f"ada/{LESSON}.ipynb", "ada/state.json"]
        text = packed.read(f"ada/{LESSON}.ipynb").decode("utf-8")
        parts = {"predictions", "progress", "hints", "questions", "checkpoint", "learner"}
        assert set(json.loads(with_state.read("ada/state.json"))) == parts
    assert str(ROOT) not in text
    assert '"outputs": []' in text


def test_export_says_what_is_wrong(learners_folder, capsys):
    """A notebook that cannot be read, or a name that is no name, ends in one line, and nothing is packed."""
    (learners_folder / f"{LESSON}.ipynb").write_text("{", "utf-8")
    assert cli.main(["export", "--name", "ada"]) == 1
    assert f"{LESSON}.ipynb cannot be read as a notebook" in capsys.readouterr().err
    assert cli.main(["export", "--name", "../ada"]) == 1
    assert "'../ada' cannot be a name here" in capsys.readouterr().err


# On paper ------------------------------------------------------------------------------------------------------


def test_answer_key_covers_every_prediction():
    """`TEACHING.md` answers each prediction of the lessons, lesson by lesson, and no other."""
    lessons = (ROOT / "TEACHING.md").read_text("utf-8").split("\n### ")[1:]
    for lesson, source in enumerate(sorted(build.LESSONS.glob("*.py"))):
        asked = set(re.findall(r'predict\(\s*"([a-z]\d\.?\d?)"', source.read_text("utf-8")))
        answered = set(re.findall(r"^\| ([a-z]\d\.?\d?) ", lessons[lesson], re.M))
        assert answered == asked - {f"m{lesson}"}, source.stem


def test_page_of_exercises_is_up_to_date():
    """`exercises/README.md` is what the builder makes of the index."""
    assert build.INDEX.read_text("utf-8") == build.index(), "python3 start.py build index"
