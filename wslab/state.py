"""What the kit remembers about a learner, as JSON files in one folder; and how any file is replaced safely.

The folder is `.wslab/` at the root of the checkout, `WSLAB_STATE` where that is set, or the user's data folder where
the checkout is read-only.

Rules of this file: a file is whole or it is the former one; what cannot be read is put aside, never deleted.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WAIT_S = 2.0


def folder() -> Path:
    """The folder of the learner's state; made if need be."""
    return _folder(os.environ.get("WSLAB_STATE", ""))


@cache
def _folder(wanted: str) -> Path:
    if wanted:
        candidates = [Path(wanted).expanduser()]
    else:
        candidates = [ROOT / ".wslab"] if (ROOT / "exercises").is_dir() else []
        candidates.append(_user_data() / "wslab")
    candidates.append(Path(tempfile.gettempdir()) / f"wslab-{os.environ.get('USER', 'learner')}")
    for candidate in candidates:
        with suppress(OSError):
            candidate.mkdir(parents=True, exist_ok=True)
            handle, probe = tempfile.mkstemp(dir=candidate)
            os.close(handle)
            os.unlink(probe)
            return candidate
    return candidates[-1]


def _user_data() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def read(name: str) -> dict[str, Any]:
    """Return what was written under `name`, or an empty dictionary; a file that is no JSON is put aside."""
    path = folder() / f"{name}.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return {}
    except ValueError:
        with suppress(OSError):
            path.replace(path.with_suffix(".unreadable"))
        return {}
    return value if isinstance(value, dict) else {}


def write(name: str, value: dict[str, Any]) -> None:
    """Keep `value` under `name`; where nothing can be written the lesson goes on without."""
    with suppress(OSError):
        replace_file(folder() / f"{name}.json", json.dumps(value, ensure_ascii=False, indent=1))


@contextmanager
def changing(name: str) -> Iterator[dict[str, Any]]:
    """Let what is kept under `name` be changed in place; other processes that want to change something wait for it."""
    with _alone():
        value = read(name)
        yield value
        write(name, value)


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time; whoever dies makes way, and nobody is waited for longer than `WAIT_S`."""
    with ExitStack() as stack:
        with suppress(OSError):
            file = stack.enter_context(open(folder() / ".lock", "a+b"))
            deadline = time.monotonic() + WAIT_S
            while not _locked(file.fileno()) and time.monotonic() < deadline:
                time.sleep(0.01)
        yield  # closing the file gives way


def _locked(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def back_up(path: Path) -> Path:
    """Keep the file at `path` under a dated name beside it, whole at any moment; returns that name.

    Raises:
        OSError: If the folder cannot be written.
    """
    backup = path.with_name(f"{path.stem}.backup-{datetime.now():%Y-%m-%d-%H%M%S-%f}{path.suffix}")
    try:
        os.link(path, backup)  # the file itself, so that not even what is written to it now is lost
    except OSError:
        _replace(backup, path.read_bytes())
    return backup


def replace_file(path: Path, text: str) -> None:
    """Write `text` to `path` so that at any moment the file is the former or the new one, whole.

    Raises:
        OSError: If the folder cannot be written; the file is untouched.
    """
    _replace(path, text.encode())


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(temporary, path.stat().st_mode & 0o777)
        else:
            os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def seed() -> int:
    """The learner's own number, from which lessons draw their values; `WSLAB_SEED` overrides it."""
    wanted = os.environ.get("WSLAB_SEED")
    if wanted:
        return int(wanted)
    kept = read("learner").get("seed")
    if not isinstance(kept, int):
        kept = secrets.randbelow(900_000) + 100_000
        write("learner", {"seed": kept})
    return kept
