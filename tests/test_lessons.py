"""Every lesson, executed top to bottom by real kernels: strict nbval, one text for every run."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import nbformat
import psutil
import pytest
from kit import ROOT, build, references
from lessons import LESSONS, copy, nbval, stem
from nbclient import NotebookClient
from rooms import needs_engines

SHAKES = range(1, 6)
MORE_SHAKES = range(6, 21)

# A prediction for every value that is asked: right ones and wrong ones, so that both sides of a reveal are seen.
PREDICTIONS = {
    "00_start_here": {
        "p0.1": {"count": 11},
        "p0.2": {"seconds": 0.3},
        "p0.3": {"seconds": 0.3, "first": "toast"},
        "p0.4": {"times": 4},
    },
    "01_overview": {
        "p1.3": {"handshakes": 20, "closes": 2},
        "e1.2": {"arrow": 8},
        "p1.1": {"second": "nothing"},
        "p1.2": {"bob_seconds": 0.1},
        "m1": {"arrows": ["Client -> Server: GET", "Server -> Client: 101", "Server -> Database: INSERT"]},
    },
    "02_request_response": {
        "r2": {"handshakes": 1, "starts": 1, "frames": 3},
        "p2.1": {
            "sequential_order": [0, 1, 2],
            "sequential_seconds": 0.3,
            "concurrent_order": [0, 1, 2],
            "concurrent_seconds": 0.3,
        },
        "e2.1": {"arrow": 6},
        "p2.2": {"first": "answer"},
        "p2.3": {"first": "message", "second": "nothing"},
        "m2": {
            "arrows": [
                "Client -> Sequential server: GET",
                "Sequential server -> Client: 101",
                "Client -> Sequential server: TEXT",
                "Sequential server -> Client: 200 OK",
                "Client -> Sequential server: CLOSE",
            ]
        },
    },
    "03_patterns": {
        "r3": {"first": 2, "frames": 4, "closes": "client"},
        "e3.1": {"arrow": 10},
        "p3.1": {"before_line": "connect", "before_number": 4401, "after_line": "connect", "after_number": 4401},
        "p3.3": {"can": ["a", "b", "d", "e"]},
        "p3.2": {"by_itself": "close", "answered": "no"},
        "e3.3": {"before": "no", "within": "yes", "at_the_end": "yes"},
        "m3": {
            "arrows": [
                "Client -> Club: GET",
                "Club -> Client: 101",
                "Client -> Club: TEXT",
                "Club -> Client: TEXT",
                "Client -> Club: TEXT",
                "Club -> Client: TEXT",
                "Client -> Club: CLOSE",
                "Club -> Client: TCP end",
            ]
        },
    },
    "04_architectures": {
        "r4": {"opened": 3, "number": 401, "texts": 3},
        "p4.1": {"servers": [1, 2, 3, 1, 2]},
        "p4.2": {"hears": [1, 4, 7]},
        "e4.3": {"arrow": 3},
        "e4.4": {"ada": "open", "bob": 1001},
        "p4.3": {"added": [2, 2, 1, 1], "more": [3, 3, 3, 1], "at_the_end": [4, 3, 4, 2]},
        "p4.4": {"ada": 1001, "bob": 1001, "cem": "open"},
        "e4.7": {"cut_off": 0, "hear": 1},
        "e4.8": {"seconds": 0.3},
        "m4": {
            "arrows": [
                "Ada -> Server 1: TEXT",
                "Server 1 -> Backplane: PUB",
                "Backplane -> Server 2: MSG",
                "Backplane -> Server 3: MSG",
                "Server 1 -> Ada: TEXT",
                "Server 2 -> Bob: TEXT",
                "Server 3 -> Cem: TEXT",
            ]
        },
    },
    "05_data_format": {
        "r5": {"seconds": 0.1, "answers": 0, "call": "send"},
        "e5.1": {"get": "no", "accepted": "yes", "refused": "yes"},
        "e5.2": {"for_bytes": 0, "for_longer": 0},
        "p5.1": {"up": [1, 2, 3], "down": [4, 5, 6]},
        "p5.3": {"type": "str"},
        "p5.2": {"frames": 2, "messages": ["a", "b"]},
        "e5.5": {"taken": ["a", "d"], "answered": ["d"]},
        "e5.6": {"smallest": "JSON", "largest": "XML", "types": ["int", "int", "int"]},
        "e5.7": {"ada": "xml", "bob": "xml", "eve": "refused"},
        "e5.8": {"off": "same", "on": "same"},
        "m5": {
            "arrows": [
                "Client -> Keeper: GET",
                "Keeper -> Client: 101",
                "Client -> Keeper: TEXT",
                "Client -> Keeper: BINARY",
                "Client -> Keeper: TEXT",
                "Client -> Keeper: TEXT",
                "Client -> Keeper: PING",
                "Keeper -> Client: PONG",
                "Client -> Keeper: CLOSE",
                "Keeper -> Client: CLOSE",
                "Keeper -> Client: TCP end",
            ]
        },
    },
    "06_state": {
        "r6": {"up": 138, "down": 132, "number": 4401},
        "e6.1": {"handler": [2, 3, 1], "process": [2, 3, 1], "store": [2, 3, 4]},
        "p6.1": {"resumed": [4, 5, 7]},
        "e6.3": {"arrow": 11},
        "p6.2": {"ada": 7, "bob": 8, "stored": 8},
        "p6.3": {"careless": ["Bob"], "tidy": ["Bob"]},
        "e6.5": {"stateless": 135, "session": 13, "statements": 30},
        "m6": {
            "arrows": [
                "Ada -> Server: TEXT",
                "Server -> Database: INSERT",
                "Server -> Ada: TEXT",
                "Ada -> Server: TEXT",
                "Server -> Ada: TEXT",
                "Ada -> Server: TEXT",
                "Server -> Database: UPDATE",
                "Server -> Ada: TEXT",
            ]
        },
    },
    "07_error_handling": {
        "r7": {"servers": 3, "hear": 2, "handler": 2, "process": 2},
        "p7.2": {"answers": 1, "code": 1011, "learns": "yes"},
        "e7.1": {"arrow": 8},
        "p7.3": {"in_line": 0.3, "task": 0.3},
        "e7.4": {"in_line": "reply", "task": "reply"},
        "p7.1": {
            "a": "OK 1000 1000 1000 quiet",
            "b": "Error none none 1006 raises",
            "c": "OK 1001 1001 1001 quiet",
            "d": "Error none 1011 1011 raises",
            "e": "Error 1012 1012 1012 quiet",
            "f": "Error none 1011 1006 raises",
        },
        "e7.6": {"close_code": 1006, "sent": "none"},
        "m7": {
            "arrows": [
                "Client -> Shop: TEXT",
                "Shop -> Client: TEXT",
                "Client -> Shop: TEXT",
                "Shop -> Client: TEXT",
                "Shop -> Log: ERROR",
                "Shop -> Admin: TEXT",
            ]
        },
    },
    "08_summary": {
        "p8.1": {"ada": 1, "bob": 1},
        "m8": {"arrows": ["Ada -> Server: GET", "Server -> Ada: 101", "Ada -> Server: TEXT", "Server -> Log: ERROR"]},
    },
    "09_live": {
        "p9.1": {"fin": 0, "rsv": 1002, "mask": 1007, "payload": 1007},
        "p9.2": {"function": "remind", "because": 5},
    },
}


@pytest.fixture(autouse=True)
def fewer_connections(monkeypatch):
    """Lesson 4 opens 10,000 connections; how many there are stands in its pictures only."""
    monkeypatch.setenv("WSLAB_CONNECTIONS", "1000")


@pytest.fixture
def folder(tmp_path):
    """A copy of the notebooks and exercises."""
    return copy(tmp_path, "notebooks", "exercises")


@pytest.mark.parametrize("lesson", LESSONS, ids=stem)
def test_stored_outputs_are_what_comes_out(lesson, folder):
    """Strict nbval, no sanitiser, no ignore marks: every stored text is what this machine produces."""
    result = nbval(folder, folder / "notebooks" / f"{lesson.stem}.ipynb", WSLAB_STATE=str(folder / "state"))
    assert result.returncode == 0, result.stdout[-4000:]
    assert re.search(r"\d+ passed", result.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=stem)
def test_stored_outputs_again_and_again(lesson, folder):
    """Five times in a row without a flake; twenty times the first lesson and the model of the others."""
    for _ in range(20 if lesson.stem in ("00_start_here", "02_request_response") else 5):
        result = nbval(folder, folder / "notebooks" / f"{lesson.stem}.ipynb", WSLAB_STATE=str(folder / "state"))
        assert result.returncode == 0, result.stdout[-4000:]


@pytest.mark.parametrize("lesson", LESSONS, ids=stem)
def test_stored_notebook_is_the_source_executed(lesson):
    """The committed lesson is its source, each cell run once, with nothing in it that belongs to one machine."""
    stored = nbformat.read(ROOT / "notebooks" / f"{lesson.stem}.ipynb", as_version=4)
    source = build._read(lesson)
    assert [(cell.id, cell.source) for cell in stored.cells] == [(cell.id, cell.source) for cell in source.cells]
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any("tags" in cell.metadata or "NBVAL" in cell.source for cell in stored.cells)
    for cell in code:
        for output in cell.outputs:
            assert output.output_type != "error"
            text = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            assert not re.search(r"/(home|root|tmp|work)/|0x[0-9a-f]{8}|127\.0\.0\.1:\d|Warning", text), text


@pytest.mark.parametrize("lesson", LESSONS, ids=stem)
def test_two_builds_with_predictions_agree(lesson):
    """With every prediction made the reveals are open, and two builds still have one text."""
    made = PREDICTIONS[lesson.stem]
    first, second = (build.without_png(build.lesson(lesson, predictions=made)) for _ in range(2))
    assert first == second
    assert "is covered: first your prediction" not in first
    assert "your prediction beside the recording" in first


@pytest.mark.parametrize("lesson", LESSONS, ids=stem)
def test_every_prediction_is_tested(lesson):
    """No prediction of a lesson is missing from the ones that these tests make."""
    asked = set(re.findall(r'predict\(\s*"([^"]+)"', lesson.read_text(encoding="utf-8")))
    assert asked == set(PREDICTIONS[lesson.stem])


def texts_under_shaking(lesson, seeds):
    """Yield each seed, and whether its shaken run has the text of the quiet one."""
    made = PREDICTIONS[lesson.stem]
    quiet = build.without_png(build.lesson(lesson, predictions=made))

    def shaken(seed):
        return build.without_png(build.lesson(lesson, predictions=made, env={"WSLAB_SHAKE": str(seed)})) == quiet

    with ThreadPoolExecutor(2) as workers:
        yield from zip(seeds, workers.map(shaken, seeds), strict=True)


@pytest.mark.parametrize("lesson", LESSONS, ids=stem)
def test_a_shaken_tap_gives_the_same_text(lesson):
    """With every chunk held back for a random time, five seeds give the text of the quiet run."""
    assert [seed for seed, same in texts_under_shaking(lesson, SHAKES) if not same] == []


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=stem)
def test_a_shaken_tap_gives_the_same_text_for_more_seeds(lesson):
    """Fifteen seeds more."""
    assert [seed for seed, same in texts_under_shaking(lesson, MORE_SHAKES) if not same] == []


WITHOUT_ENGINES = """
import sysconfig

paths = sysconfig.get_path
sysconfig.get_path = lambda name, *args, **options: "" if name == "scripts" else paths(name, *args, **options)
"""


@pytest.mark.parametrize("lesson", [lesson for lesson in LESSONS if "stored(" in lesson.read_text("utf-8")], ids=stem)
def test_without_engines(lesson, tmp_path):
    """Where no engine is found, the lesson says what is missing and goes through with the stored recordings."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_ENGINES)
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "PATH": str(tmp_path)}
    notebook = build.lesson(lesson, predictions=PREDICTIONS[lesson.stem], env=env)
    text = build.without_png(notebook)
    assert "caddy (the load balancer) is not installed" in text
    assert "nats-server (the backplane) is not installed" in text
    names = set(re.findall(r'\bstored\("(\w+)"\)', lesson.read_text(encoding="utf-8")))
    assert {name for name in names if f"stored recording, not made here: {name}" not in text} == set()


FAMILY = """
import psutil

me = psutil.Process()
family = [me, *me.children(recursive=True)]
ports = {c.laddr.port for process in family for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
print([process.pid for process in family], sorted(ports))
"""


@needs_engines
@pytest.mark.skipif(os.name != "posix", reason="needs kill -9")
def test_kill_9_in_the_middle_of_lesson_4():
    """Within a second of the kernel's death no process and no port of the lesson is left."""
    notebook = build._read(ROOT / "notebooks" / "source" / "04_architectures.py")
    middle = next(i for i, cell in enumerate(notebook.cells) if "chat = await start_cluster(" in cell.source)
    notebook.cells[middle + 1 :] = [nbformat.v4.new_code_cell(FAMILY)]
    client = NotebookClient(notebook, resources={"metadata": {"path": str(ROOT / "notebooks")}}, timeout=60)
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        pids, ports = map(json.loads, re.findall(r"\[.*?\]", notebook.cells[-1].outputs[0].text))
        family = [psutil.Process(pid) for pid in pids]
        assert len(family) > 10 and len(ports) > 20  # five clusters, a supervisor, the kernel
        os.kill(pids[0], signal.SIGKILL)
        began = time.monotonic()
        while (left := [each for each in family if alive(each)]) and time.monotonic() - began < 5:
            time.sleep(0.01)
        assert left == [] and time.monotonic() - began < 1
        assert not any(listening(port) for port in ports)


def alive(process):
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_exercises_ship_unrun():
    """No exercise holds an output or an execution count."""
    for path in (ROOT / "exercises").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.cell_type != "code" or (cell.outputs == [] and cell.execution_count is None)


def test_derived_exercises_are_up_to_date():
    """The exercise notebooks are what the builder derives from the solutions."""
    for source in sorted((ROOT / "exercises" / "solutions").glob("*.py")):
        stored = nbformat.read(ROOT / "exercises" / f"{source.stem}.ipynb", as_version=4)
        assert stored == nbformat.from_dict(build.exercise(source)), source.stem


@pytest.mark.parametrize("lesson", ["00_start_here", "02_request_response"])
def test_plain_nbval_judges_an_exercise_notebook(lesson, folder):
    """Unsolved it fails; with right solutions put in, run and saved it passes: no command of the kit is needed."""
    path = folder / "exercises" / f"{lesson}.ipynb"
    environment = {"WSLAB_STATE": str(folder / "state"), "WSLAB_EXERCISES": str(ROOT / "exercises")}
    unsolved = nbval(folder, path, **environment)
    assert unsolved.returncode == 1, unsolved.stdout[-2000:]
    assert "not solved yet" in unsolved.stdout
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.id.startswith("answer-"):
            cell.source = references()[".".join(cell.id.split("-")[1:3])]
    env = os.environ | environment | {"PYTHONPATH": str(ROOT)}
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute(env=env)
    nbformat.write(notebook, path)
    solved = nbval(folder, path, **environment)
    assert solved.returncode == 0, solved.stdout[-4000:]
