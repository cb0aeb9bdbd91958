"""`watch`: grades a notebook each time that it is saved, with a kernel started ahead of time.

Rules of this file: the notebooks are only read; a save is seen however the editor writes (in place, or a new file put
in the old one's place), and graded once it is whole; whatever ends the worker, the next save is graded all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from .rebuild import Unreadable, read
from .run import Session

LOOK_S = 0.02
WHOLE_S = 1.0  # how long a file may be broken before it is called so

Stamp = tuple[int, int, int] | None


class Saves:
    """The saves of some notebooks from now on, one after another."""

    def __init__(self, paths: Collection[Path]) -> None:
        self._stamps = {path: _stamp(path) for path in paths}

    def look(self) -> Path | None:
        """A notebook that is not what it was at the last look, or `None`."""
        for path, known in self._stamps.items():
            if (stamp := _stamp(path)) != known and stamp is not None:
                return path
        return None

    async def whole(self, path: Path) -> None:
        """Wait until the notebook at `path` has come to rest and can be read, or stays broken."""
        deadline = time.monotonic() + WHOLE_S
        while True:
            self._stamps[path] = _stamp(path)
            await asyncio.sleep(LOOK_S)
            if _stamp(path) == self._stamps[path] and (_readable(path) or time.monotonic() > deadline):
                return


async def watch(
    saves: Saves,
    judge: Callable[[Path, Session], Awaitable[None]],
    clear: Callable[[Session], None],
) -> None:
    """Call `judge` with each of the `saves`, and `clear` once its leftovers are gone; never returns."""
    async with Session(ahead=True) as session:
        while True:
            if (path := saves.look()) is not None:
                await saves.whole(path)
                await judge(path, session)
                await session.renew()
                clear(session)
            elif not session.alive:
                await session.renew()
            else:
                await asyncio.sleep(LOOK_S)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _readable(path: Path) -> bool:
    try:
        read(path)
    except Unreadable:
        return False
    return True
