"""Every process that a run started, however it tried to get away: found, ended, counted.

Found by parentage, by parentage at any earlier look, and by a mark in the environment. On Linux an orphan comes back to
this process, so that none escapes; elsewhere one that clears its environment and leaves its parent at once could.

Rules of this file: a process that was here before is never touched.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

import psutil

MARK = "WSLAB_RUN"
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
END_S, LOOK_S = 3.0, 0.05


class Descendants:
    """The processes of one run, whose environment holds `mark`; those of `worker` once that is set."""

    _runs: ClassVar[set[Descendants]] = set()

    def __init__(self, mark: str) -> None:
        self.worker: psutil.Process | None = None
        self._mark = mark
        self._seen: set[psutil.Process] = set()
        self._known: set[psutil.Process] = set()  # also those that have ended
        self._before = set(_children())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Orphans of the run come to this process while the block lasts."""
        self._runs.add(self)
        _adopt(True)
        try:
            yield
        finally:
            self._runs.discard(self)
            _adopt(bool(self._runs))

    def look(self) -> set[psutil.Process]:
        """Remember who belongs to the run now; returns those that are alive."""
        found = set(self._seen)
        if self.worker is not None:
            found |= {self.worker, *_below(self.worker)}
        others = {run.worker for run in self._runs if run is not self}
        for orphan in set(_children()) - self._before - others:
            found |= {orphan, *_below(orphan)}
        self._known |= found
        self._seen = {process for process in found if _alive(process)}
        return self._seen

    async def end(self, keep: Collection[psutil.Process | None] = ()) -> int:
        """End all of them but `keep`; returns how many there were."""
        ended: set[psutil.Process] = set()
        deadline = time.monotonic() + END_S
        while time.monotonic() < deadline:
            alive = self.look() | {process for process in psutil.process_iter() if _marked(process, self._mark)}
            alive = {process for process in alive if process not in keep and _alive(process)}
            if not alive:
                break
            ended |= alive
            for process in alive:
                with suppress(psutil.Error):
                    process.kill()
            await asyncio.sleep(LOOK_S)
        self._known |= ended
        return len(ended)

    async def bury(self) -> None:
        """Take the exit status of orphans that came to this process; call it when the worker has been waited for."""
        waiting = {process.pid for process in self._known if process != self.worker}
        deadline = time.monotonic() + END_S
        while waiting and time.monotonic() < deadline:
            waiting -= {pid for pid in waiting if _buried(pid)}
            if waiting:
                await asyncio.sleep(LOOK_S)


def _children() -> list[psutil.Process]:
    return list(psutil.Process().children())


def _below(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return list(process.children(recursive=True))
    return []


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _marked(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error, OSError):
        return bool(process.environ().get(MARK) == mark)
    return False


def _buried(pid: int) -> bool:
    """Has nobody to wait for this process any more?"""
    if sys.platform == "win32":
        return True
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # it is the child of somebody else, who does it, or is no more
        return True


def _adopt(wanted: bool) -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(SUBREAPER, int(wanted), 0, 0, 0)
