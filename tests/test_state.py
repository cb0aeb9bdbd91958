"""What the kit remembers, and how a file is replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wslab import state


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WSLAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_what_is_written_is_read(folder):
    """A dictionary comes back; a name that was never written is empty."""
    state.write("progress", {"passed": {"2.1": True}})
    assert state.read("progress") == {"passed": {"2.1": True}}
    assert state.read("nothing") == {}


def test_unreadable_file_is_put_aside_not_deleted(folder):
    """A file that is no JSON is kept under another name, and the lesson goes on."""
    state.write("hints", {})
    (folder / "hints.json").write_text("{broken")
    assert state.read("hints") == {}
    assert (folder / "hints.unreadable").read_text() == "{broken"


def test_folder_falls_back_where_nothing_can_be_written(tmp_path, monkeypatch):
    """A folder that cannot be made is replaced by one that can."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("WSLAB_STATE", str(blocked / "state"))
    assert state.folder().is_dir()


def test_seed_is_kept_and_can_be_set(folder, monkeypatch):
    """The learner's number stays the same; the environment overrides it."""
    monkeypatch.delenv("WSLAB_SEED", raising=False)
    assert state.seed() == state.seed()
    monkeypatch.setenv("WSLAB_SEED", "7")
    assert state.seed() == 7


def test_replacing_keeps_the_old_file_where_the_disk_refuses(tmp_path, monkeypatch):
    """An error while writing leaves the former file and no rubbish beside it."""
    path = tmp_path / "work.ipynb"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        state.replace_file(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_changes_of_two_processes_wait_for_each_other(folder):
    """While one process changes something, another one waits, and sees what the first has written."""
    code = (
        "from wslab import state\nprint(flush=True)\nwith state.changing('n') as kept: kept['seen'] = kept.get('first')"
    )
    with state.changing("n") as kept:
        root = Path(state.__file__).parents[1]
        other = subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE)
        other.stdout.readline()
        kept["first"] = 1
    other.stdout.close()
    assert other.wait(10) == 0
    assert state.read("n") == {"first": 1, "seen": 1}


def test_backup_is_the_file_as_it_was(tmp_path, monkeypatch):
    """A dated copy lies beside the file, also where the disk knows no links; a later change does not reach it."""
    path = tmp_path / "work.ipynb"
    path.write_bytes(b"\xff old")
    first = state.back_up(path)

    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    second = state.back_up(path)
    state.replace_file(path, "new")
    assert [first.read_bytes(), second.read_bytes(), path.read_bytes()] == [b"\xff old", b"\xff old", b"new"]
    assert first != second and first.name.startswith("work.backup-") and first.suffix == ".ipynb"


def test_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    """Killed ten times at different moments, the file is always one of the two texts, whole."""
    path = tmp_path / "work.json"
    texts = [json.dumps([letter * 20_000]) for letter in "ab"]
    path.write_text(texts[0])
    code = (
        "import sys; from pathlib import Path; from wslab.state import replace_file; import json\n"
        "texts = [json.dumps([letter * 20_000]) for letter in 'ab']\n"
        "print('ready', flush=True)\n"
        "while True:\n    for text in texts: replace_file(Path(sys.argv[1]), text)"
    )
    root = Path(state.__file__).parents[1]
    for round_ in range(10):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=root, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.002 * round_)
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert path.read_text() in texts
