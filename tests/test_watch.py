"""`wslab check --watch`: every save gets its verdict, in a kernel that nobody used before; nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from kit import ROOT, references

from wslab.grading.grade import PRISTINE, grade
from wslab.grading.run import Session
from wslab.grading.watch import Saves

NOTEBOOK = "02_request_response.ipynb"

# What a careless answer leaves in its kernel, one kind of each.
DIRT = """
import builtins, os, signal, socket, sys, threading, asyncio, pathlib, tempfile, types
builtins.ascii = lambda thing: 0
builtins.planted = True
sys.modules["planted"] = types.ModuleType("planted")
sys.path.insert(0, "/planted")
os.environ["PLANTED"] = "1"
class Planted(asyncio.DefaultEventLoopPolicy): pass
asyncio.set_event_loop_policy(Planted())
signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Thread(target=threading.Event().wait, name="planted", daemon=True).start()
kept = socket.create_server(("127.0.0.1", 0))
for folder in (pathlib.Path.cwd(), pathlib.Path.home(), pathlib.Path(tempfile.gettempdir())):
    (folder / "planted.txt").write_text("planted")
os.chdir(pathlib.Path.cwd().root)
"""

# An answer that is right only where none of it is found.
LOOK = """
import builtins, os, signal, sys, threading, asyncio, pathlib, tempfile
found = [name for name, there in {
    "builtins": hasattr(builtins, "planted") or ascii("x") == 0,
    "modules": "planted" in sys.modules or "/planted" in sys.path,
    "environment": "PLANTED" in os.environ,
    "policy": type(asyncio.get_event_loop_policy()).__name__ == "Planted",
    "signals": signal.getsignal(signal.SIGTERM) == signal.SIG_IGN,
    "threads": any(thread.name == "planted" for thread in threading.enumerate()),
    "names": "kept" in globals(),
    "files": any((folder / "planted.txt").exists()
                 for folder in (pathlib.Path.cwd(), pathlib.Path.home(), pathlib.Path(tempfile.gettempdir()))),
    "folder": pathlib.Path.cwd() == pathlib.Path(pathlib.Path.cwd().root) or bool(os.listdir()),
}.items() if there]
assert not found, found
"""


def write(path, **sources):
    """Write the notebook with answers such as `a2_1`, as some editors save: a new file in the old one's place."""
    notebook = json.loads((PRISTINE / NOTEBOOK).read_text("utf-8"))
    for name, source in sources.items():
        cell_id = f"answer-{name[1:].replace('_', '-')}"
        next(cell for cell in notebook["cells"] if cell["id"] == cell_id)["source"] = source
    temporary = path.with_name("new")
    temporary.write_text(json.dumps(notebook), "utf-8")
    temporary.replace(path)


def kernels(process):
    """The kernels below a process, and the other processes there."""
    found, others = [], []
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            (found if any("ipykernel" in part for part in child.cmdline()) else others).append(child)
    return found, others


def ports(processes):
    """The ports on which these processes listen."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found |= {c.laddr.port for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    return found


def below():
    """Every process below this one."""
    return set(psutil.Process().children(recursive=True))


async def test_every_kernel_is_fresh(tmp_path, request):
    """After a notebook that dirties what it can reach, the next finds nothing of it; no port of it is left."""
    path = tmp_path / NOTEBOOK
    others, seen = below(), set()
    async with Session(ahead=True) as session:
        for _ in range(50 if request.config.getoption("--slow") else 2):
            write(path, a2_1=DIRT + references()["2.1"])
            used = set()
            look = lambda _, used=used: used.update(kernels(psutil.Process())[0])  # noqa: E731
            [dirty] = await grade(path, ["2.1"], look, session=session)
            assert dirty.passed and dirty.ahead, dirty.text
            assert len(used) == 1 and not seen & used
            seen |= used
            await session.renew()
            assert session.left_behind == 0 and not any(process.is_running() for process in used)
            write(path, a2_1=LOOK + references()["2.1"])
            [clean] = await grade(path, ["2.1"], session=session)
            assert clean.passed and clean.ahead, clean.text
            await session.renew()
    assert below() <= others


async def test_a_session_goes_on_without_its_worker(tmp_path):
    """A worker or a waiting kernel that is killed costs the next verdict its head start at most."""
    path = tmp_path / NOTEBOOK
    write(path, a2_1=references()["2.1"])
    others = below()
    async with Session(ahead=True) as session:
        [worker] = set(psutil.Process().children()) - others
        worker.kill()
        [graded] = await grade(path, ["2.1"], session=session)
        assert graded.passed, graded.text
        await session.renew()
        while not (waiting := kernels(psutil.Process())[0]):
            await asyncio.sleep(0.01)
        waiting[0].kill()
        [graded] = await grade(path, ["2.1"], session=session)
        assert graded.passed and not graded.ahead, graded.text
    assert below() <= others


async def test_saves_are_seen_however_they_are_written(tmp_path):
    """A new file in the old one's place, and one that is written in place in two parts, are each one whole save."""
    path = tmp_path / NOTEBOOK
    write(path)
    saves = Saves([path])
    assert saves.look() is None
    write(path, a2_1="x = 1")
    assert saves.look() == path
    await saves.whole(path)
    assert saves.look() is None
    text = path.read_text("utf-8")
    with path.open("w", encoding="utf-8") as file:
        file.write(text[:1000])
        file.flush()
        assert saves.look() == path
        whole = asyncio.create_task(saves.whole(path))
        done, _ = await asyncio.wait([whole], timeout=0.2)
        assert not done
        file.write(text[1000:])
    await whole
    assert saves.look() is None
    path.unlink()
    assert saves.look() is None


# The command -------------------------------------------------------------------------------------------------------


class Watch:
    """`wslab check --watch 2.1` in a copy of the exercises, and what it prints."""

    def __init__(self, folder):
        shutil.copytree(ROOT / "exercises", folder / "exercises", ignore=shutil.ignore_patterns("*.ipynb", "mutants"))
        self.path = folder / "exercises" / NOTEBOOK
        write(self.path)
        self.folder = folder / "tmp"
        self.folder.mkdir()
        env = os.environ | {"PYTHONPATH": str(ROOT), "WSLAB_EXERCISES": str(folder / "exercises")}
        env |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.folder))
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "wslab.cli", "check", "2.1", "--watch"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.lines = []
        self.changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait("watching")

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()

    def wait(self, text, after=0):
        """Wait for a line with `text`; returns how many lines there are then."""
        with self.changed:
            shown = self.changed.wait_for(lambda: any(text in line for line in self.lines[after:]), 30)
        assert shown, self.lines
        return len(self.lines)

    def started(self):
        """The processes that were started for the watch: their HOME is below its folder for what is temporary."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("HOME", "").startswith(str(self.folder)):
                    found.append(process)
        return found

    def end(self):
        """Wait for the end, until nothing of it runs any more; returns the exit status."""
        status = self.process.wait(10)
        self._reader.join(5)
        self.process.stdout.close()
        deadline = time.monotonic() + 3
        while (left := self.started()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == []
        return status


@pytest.fixture
def watch(tmp_path):
    watch = Watch(tmp_path)
    yield watch
    if watch.process.poll() is None:
        watch.process.kill()
        watch.end()


def test_each_save_gets_its_verdict(watch):
    """A wrong answer, then a right one; Ctrl+C ends it with status 0 and leaves nothing."""
    write(watch.path, a2_1="def predict_timeline(delays, mode):\n    return [], 0.0")
    after = watch.wait("with a kernel started ahead of time")
    assert any("2.1  FAIL" in line for line in watch.lines)
    write(watch.path, a2_1=references()["2.1"])
    watch.wait("with a kernel started ahead of time", after)
    assert any("2.1  solved" in line for line in watch.lines[after:])
    watch.process.send_signal(signal.CTRL_C_EVENT if sys.platform == "win32" else signal.SIGINT)
    assert watch.end() == 0
    assert list(watch.folder.iterdir()) == []
    assert not any("Traceback" in line for line in watch.lines)


@pytest.mark.parametrize("who", ["watch", "worker", "kernel"])
def test_killed_at_any_moment_nothing_is_left(tmp_path, who, request):
    """Whoever is killed, whenever, no process and no port remain; while the watch lives, the next save is graded."""
    for turn in range(20 if request.config.getoption("--slow") else 2):
        folder = tmp_path / str(turn)
        folder.mkdir()
        watch = Watch(folder)
        try:
            write(watch.path, a2_1=references()["2.1"])
            time.sleep(random.uniform(0, 2.5))
            held = ports(watch.started())
            if who != "watch":
                running, others = kernels(psutil.Process(watch.process.pid))
                for victim in running if who == "kernel" else others:
                    victim.kill()
                time.sleep(0.3)
                after = len(watch.lines)
                write(watch.path, a2_1=references()["2.1"])
                watch.wait("2.1  solved", after)
        finally:
            watch.process.kill()
            watch.end()
        assert not held & ports(psutil.process_iter())
