"""Programs that a kernel starts and that never outlive it: the kernel's side of the supervisor.

`start` hands a program to the supervisor, one for each kernel, started on first use; out comes a `Child`.

Rules of this file: nothing is left behind by a kernel that ended in any way, the supervisor's own death included: the
next start looks for what a former one left.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from ..errors import LabError, say

PREFIX = "wslab-engines-"
SCRIPT = Path(__file__).with_name("supervisor.py")
LOOK_S, EXIT_S = 0.01, 1.0

_lock = threading.Lock()
_supervisor: Supervisor | None = None


class Supervisor:
    """The supervising process of this kernel, and the folder for everything that its programs write."""

    def __init__(self) -> None:
        _sweep()
        self.kernel = os.getpid()
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        except OSError as exc:
            raise LabError(
                say("no temporary file can be written ({error}): free some space, or set TMPDIR", error=exc)
            ) from None
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(SCRIPT), str(self.folder), str(self.kernel)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt or kill of the kernel's process group does not reach it
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )

    @property
    def usable(self) -> bool:
        """Does it run, and is it this process's own? A forked process inherits the one of its parent."""
        return self.kernel == os.getpid() and self._process.poll() is None and not self._hung_up()

    def _hung_up(self) -> bool:
        """Has its end of the pipe been closed? So it is when it was killed and is not quite gone."""
        assert self._process.stdout is not None
        if not hasattr(select, "poll") or self._process.stdout.closed:
            return self._process.stdout.closed
        look = select.poll()
        look.register(self._process.stdout, select.POLLIN)  # it writes only when it is asked
        return bool(look.poll(0))

    def order(self, **program: object) -> int:
        """Have a program started; returns its process id."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(program).encode() + b"\n")
            self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or b'{"error": "the supervisor has ended"}')
        if "pid" not in answer:
            raise LabError(say("a program could not be started: {error}", error=answer["error"]))
        return int(answer["pid"])

    def end(self) -> None:
        """End every program, and the supervisor."""
        if self.usable:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(EXIT_S)


class Child:
    """A program that runs under the supervisor; `log` is the file of what it printed."""

    def __init__(self, name: str, pid: int, log: Path) -> None:
        self.name, self.pid, self.log = name, pid, log
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.NoSuchProcess:  # it has ended already
            self._process = None

    @property
    def running(self) -> bool:
        """Has it not ended yet?"""
        with suppress(psutil.NoSuchProcess):
            process = self._process
            return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        return False

    @property
    def memory_bytes(self) -> int:
        """How much memory it holds; 0 once it has ended."""
        with suppress(psutil.Error):
            if self._process is not None:
                return int(self._process.memory_info().rss)
        return 0

    def kill(self) -> None:
        """End it at once, without a word (SIGKILL)."""
        self._tell("kill")

    def suspend(self) -> None:
        """Let it stand still (SIGSTOP)."""
        self._tell("suspend")

    def resume(self) -> None:
        """Let it go on."""
        self._tell("resume")

    async def ended(self, timeout_s: float) -> bool:
        """Wait until it has ended, at most `timeout_s` seconds; says whether it has."""
        deadline = time.monotonic() + timeout_s
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
        return not self.running

    async def end(self, grace_s: float = 0.0) -> None:
        """Wait `grace_s` seconds for its own end, then kill it."""
        if not await self.ended(grace_s):
            self.kill()
            await self.ended(EXIT_S)

    def last_line(self) -> str:
        """The last line of what it printed."""
        with suppress(OSError):
            lines = self.log.read_text("utf-8", "replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def _tell(self, method: str) -> None:
        with suppress(psutil.Error):  # it has ended already; psutil never mistakes another process for it
            if self._process is not None:
                getattr(self._process, method)()


def folder() -> Path:
    """Make a folder for the files of one group of programs."""
    with _lock:
        return Path(tempfile.mkdtemp(dir=_current().folder))


def start(name: str, args: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> Child:
    """Start a program in the current folder, with `env` on top of the environment; what it prints goes to `log`.

    One of `args` must be a path in the folder that `folder()` gave: the next start knows a program left behind by it.
    """
    environment = {**os.environ, **(env or {})}
    with _lock:
        pid = _current().order(args=list(args), env=environment, cwd=os.getcwd(), log=str(log))
    return Child(name, pid, log)


def _current() -> Supervisor:
    global _supervisor
    if _supervisor is None or not _supervisor.usable:
        _supervisor = Supervisor()
        atexit.register(_supervisor.end)
    return _supervisor


def _sweep() -> None:
    """End what a supervisor left behind that was killed itself, where the system did not do it for us."""
    for pids in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/pids"):
        with suppress(OSError, ValueError):
            supervisor, *others = [int(line) for line in pids.read_text().split()]
            if _belongs(supervisor, pids.parent) is None:
                for left in filter(None, (_belongs(pid, pids.parent) for pid in others)):
                    left.kill()
                shutil.rmtree(pids.parent, ignore_errors=True)


def _belongs(pid: int, folder: Path) -> psutil.Process | None:
    """The process `pid`, if it was started with a path in `folder`: process ids are given anew."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if any(folder.name in part for part in process.cmdline()):
            return process
    return None
