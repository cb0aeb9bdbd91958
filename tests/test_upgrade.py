"""What a learner wrote, carried into the notebooks of a newer kit; and killed at any moment, nothing of it is lost."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest
from kit import ROOT

from wslab.grading.rebuild import read, source_of
from wslab.upgrade import merged

PRISTINE = ROOT / "wslab" / "pristine"
EXERCISES = PRISTINE / "exercise" / "02_request_response.ipynb"
LESSON = PRISTINE / "lesson" / "02_request_response.ipynb"
MINE = "async def rpc_handler(ws, process):\n    ...  # mine: ürsprünglich"


@pytest.fixture
def new():
    """The exercises of the newer kit."""
    return read(EXERCISES)


@pytest.fixture
def old(new):
    """The learner's notebook, of the same kit until a test changes that."""
    return copy.deepcopy(new)


def find(notebook, cell_id):
    return next(cell for cell in notebook["cells"] if cell["id"] == cell_id)


def sources(notebook):
    return [source_of(cell) for cell in notebook["cells"]]


def own(source, kind="code", **more):
    """A cell that a learner added in JupyterLab."""
    return {"cell_type": kind, "id": "5f0e7d1c-0b1a", "metadata": {}, "source": source, **more}


@pytest.mark.parametrize("path", sorted(PRISTINE.rglob("*.ipynb")), ids=lambda path: f"{path.parent.name} {path.stem}")
def test_nothing_changed_changes_nothing(path):
    """A notebook as it ships comes back byte for byte; nothing of it is taken for a learner's."""
    new = merged(read(path), read(path))
    assert new.text == path.read_text("utf-8")
    assert (new.carried, new.kept) == (0, 0) and new.says(read(path))


def test_answers_go_to_their_cells(new, old):
    """An answer is found by its id, wherever it stands; text and checks are the newer kit's, and no output remains."""
    find(old, "answer-2-2").update(source=MINE, outputs=[{"output_type": "stream"}], execution_count=7)
    old["cells"].reverse()
    find(new, "check-2-2")["source"] = ["newer"]
    new["cells"].insert(0, {"cell_type": "markdown", "id": "0123456789ab", "metadata": {}, "source": "newer text"})
    result = merged(new, old)
    answer = find(result.notebook, "answer-2-2")
    assert (answer["source"], answer["outputs"], answer["execution_count"]) == (MINE, [], None)
    assert answer["metadata"] == {"deletable": False}
    expected = [cell["id"] for cell in new["cells"]]
    assert [cell["id"] for cell in result.notebook["cells"]] == expected
    assert source_of(find(result.notebook, "check-2-2")) == "newer"
    assert (result.carried, result.kept) == (1, 0)


def test_an_answer_without_a_cell_is_kept_at_the_end(new, old):
    """The last cell holds it, says where it was, and is no code that runs."""
    find(old, "answer-2-2")["source"] = MINE
    new["cells"] = [cell for cell in new["cells"] if cell["id"] not in ("answer-2-2", "check-2-2")]
    last = merged(new, old).notebook["cells"][-1]
    assert last["cell_type"] == "markdown"
    assert source_of(last) == (
        "Kept from your notebook, which had it in the cell `answer-2-2`; there is no place for it any more.\n\n"
        f"```python\n{MINE}\n```"
    )


def test_doubled_and_converted_answers_are_kept(new, old):
    """The first cell with the id is the answer; a second one, or one that is text now, goes to the end."""
    find(old, "answer-2-2")["source"] = MINE
    old["cells"].append({**find(old, "answer-2-2"), "source": "second = '```'"})
    find(old, "answer-2-1").update(cell_type="markdown", source="my thoughts")
    result = merged(new, old)
    assert source_of(find(result.notebook, "answer-2-2")) == MINE
    first, second = sources(result.notebook)[-2:]
    assert first.endswith("my thoughts") and second.endswith("````python\nsecond = '```'\n````")
    assert result.kept == 2


def test_added_cells_stay_after_their_neighbours(new, old):
    """Cells of the learner's own keep their order behind the cell that they followed, without outputs."""
    place = old["cells"].index(find(old, "answer-2-2"))
    added = [own("a = 1", outputs=[{}], execution_count=3), own("note", "markdown", attachments={"x": {}})]
    old["cells"][place + 1 : place + 1] = added
    old["cells"].insert(0, own("first"))
    got = merged(new, old).notebook["cells"]
    ids = [cell["id"] for cell in got]
    assert source_of(got[0]) == "first"
    place = ids.index("answer-2-2")
    assert sources({"cells": got[place + 1 : place + 3]}) == ["a = 1", "note"]
    assert got[place + 1]["outputs"] == [] and got[place + 2]["attachments"] == {"x": {}}
    assert len(set(ids)) == len(ids)


def test_changed_text_is_told_from_the_kits_own_changes(new, old):
    """A kit's cell that the learner changed is carried, or kept; one that only the kit changed is replaced."""
    texts = [cell for cell in old["cells"] if cell["cell_type"] == "markdown"]
    texts[0]["source"] = "changed by me"
    texts[1]["source"] = "changed by both"
    for place, cell in enumerate(new["cells"]):
        if cell["id"] in (texts[1]["id"], texts[2]["id"]):
            new["cells"][place] = {**cell, "id": f"{place:012x}", "source": "changed by the kit"}
    result = merged(new, old)
    assert source_of(find(result.notebook, texts[0]["id"])) == "changed by me"
    assert sources(result.notebook)[-1].endswith("changed by both")
    assert sources(result.notebook).count("changed by the kit") == 2
    assert source_of(texts[2]) not in sources(result.notebook)


def test_predictions_go_to_the_new_form_of_their_cell():
    """Typed into a cell that the kit has changed since, they are put in the places of `...`, by name."""
    new = read(LESSON)
    old = copy.deepcopy(new)
    mine = next(cell for cell in old["cells"] if source_of(cell).startswith('predict("p2.2"'))
    mine["source"] = source_of(mine).replace("first=...", "first='ä: news'")
    newer = next(cell for cell in new["cells"] if cell["id"] == mine["id"])
    newer.update(id="0123456789ab", source='ß = "ß"; predict("p2.2", "A better question", first=..., second=...)')
    result = merged(new, old)
    expected = 'ß = "ß"; predict("p2.2", "A better question", first=\'ä: news\', second=...)'
    assert source_of(find(result.notebook, "0123456789ab")) == expected
    assert (result.carried, result.kept) == (1, 0)
    newer["source"] = "predict('p9', first=...)"
    gone = merged(new, old)
    assert "first='ä: news'" in sources(gone.notebook)[-1] and gone.kept == 1


def test_predictions_in_unchanged_cells_stay():
    """A lesson of the same kit keeps what was typed; the other cells have the outputs that they ship with."""
    new = read(LESSON)
    old = copy.deepcopy(new)
    mine = next(cell for cell in old["cells"] if source_of(cell).startswith('predict("p2.2"'))
    mine["source"] = source_of(mine).replace("...", "'news'")
    for cell in old["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    result = merged(new, old)
    assert source_of(find(result.notebook, mine["id"])) == source_of(mine)
    assert result.says(old)
    assert sum(bool(cell.get("outputs")) for cell in result.notebook["cells"]) > 10


def test_a_second_upgrade_changes_nothing(new, old):
    """What was kept and added once is the learner's own from then on."""
    find(old, "answer-2-2")["source"] = MINE
    old["cells"] += [own("a = 1"), own("b = 2")]
    new["cells"] = [cell for cell in new["cells"] if cell["id"] != "answer-2-2"]
    once = merged(new, old).notebook
    assert merged(new, once).says(once)


# On the command line -----------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the command line works on, with a learner's exercises of an older kit in it."""
    copied = tmp_path / "kurs"
    for folder in ("wslab", "exercises", "notebooks"):
        shutil.copytree(ROOT / folder, copied / folder, ignore=shutil.ignore_patterns("__pycache__", "*.backup-*"))
    path = copied / "exercises" / EXERCISES.name
    path.write_text(EXERCISES.read_text("utf-8"), "utf-8")
    pristine = copied / "wslab" / "pristine" / "exercise" / EXERCISES.name
    newer = read(pristine)
    newer["cells"].append({"cell_type": "markdown", "id": "0123456789ab", "metadata": {}, "source": "newer"})
    pristine.write_text(json.dumps(newer), "utf-8")
    return copied


def learner(checkout):
    """Put an answer into the learner's notebook; returns the notebook's path."""
    path = checkout / "exercises" / EXERCISES.name
    notebook = read(EXERCISES)
    find(notebook, "answer-2-2")["source"] = MINE
    path.write_text(json.dumps(notebook), "utf-8")
    return path


def command(checkout, *arguments):
    env = os.environ | {"PYTHONPATH": str(checkout), "WSLAB_STATE": str(checkout / "state")}
    return {"args": [sys.executable, "-m", "wslab.cli", *arguments], "cwd": checkout, "env": env}


def test_upgrade_writes_with_a_backup(checkout):
    """One line says what became of the notebook; what was there is beside it, and a broken one is left alone."""
    path = learner(checkout)
    before = path.read_bytes()
    other = checkout / "exercises" / "00_start_here.ipynb"
    other.write_text("{", "utf-8")
    done = subprocess.run(**command(checkout, "upgrade"), capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and other.read_text("utf-8") == "{"
    assert f"exercises/{path.name} is of this kit now; of your cells 1 are in their places, 0 kept" in done.stdout
    assert "exercises/01_overview.ipynb is of this kit already" in done.stdout
    assert sources(read(path))[-1] == "newer" and MINE in sources(read(path))
    [backup] = path.parent.glob("*.backup-*")
    assert backup.read_bytes() == before
    again = subprocess.run(**command(checkout, "upgrade", "2"), capture_output=True, text=True, encoding="utf-8")
    assert again.returncode == 0 and "is of this kit already" in again.stdout
    lesson = subprocess.run(**command(checkout, "upgrade", "2", "--lesson-notebook"), capture_output=True, text=True)
    assert lesson.returncode == 0 and "notebooks/02_request_response.ipynb is of this kit already" in lesson.stdout
    assert len(list(path.parent.glob("*.backup-*"))) == 1


SAVING = "from wslab import progress\nprint(flush=True)\nfor n in range(10**6): progress.remember(str(n % 50), '')"


@pytest.mark.parametrize("what", ["saving", "reset", "upgrade", "check"])
def test_killed_at_any_moment_nothing_is_lost(checkout, what, request):
    """Killed while it works, a command leaves notebook and state whole, and the answer in one of the files."""
    options = command(checkout, what, "2" if what != "check" else "2.2") | {"stderr": subprocess.DEVNULL}
    if what == "saving":
        options["args"] = [sys.executable, "-c", SAVING]
    state = checkout / "state" / "progress.json"
    known: set[str] = set()
    for _ in range(50 if request.config.getoption("--slow") else 3):
        for backup in checkout.glob("exercises/*.backup-*"):
            backup.unlink()
        path = learner(checkout)
        with subprocess.Popen(**options, stdout=subprocess.PIPE) as process:
            if what == "saving":
                process.stdout.readline()
            time.sleep(random.uniform(0, 2.0 if what == "check" else 0.6))
            process.kill()
        assert any(MINE in sources(read(file)) for file in [path, *path.parent.glob(f"{path.stem}.backup-*")])
        assert "answer-2-2" in path.read_text("utf-8")
        now = set(json.loads(state.read_text("utf-8"))["passed"]) if what == "saving" else known
        assert known <= now
        known = now
