"""Runs: a rebuilt notebook in a worker process, in a kernel and a place of its own, with a judge beside it.

`run` is one run, cold. A `Session` keeps the worker for the next one, and has a kernel started ahead of time.

Rules of this file: every process that a run started is ended, whatever happened; nothing is waited for longer than its
limit; a kernel is used once.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from .. import state
from ..judge import Verdict
from .descendants import Descendants
from .desk import Expected
from .place import Place, environment
from .rebuild import Notebook, Planned
from .verdict import Outcome, Ran

NOTEBOOK_S = 60.0
START_S = 30.0
LOOK_S = 0.2
EXIT_S = 1.0
REPORT = {*Ran.__dataclass_fields__, "ahead"}  # what the worker tells of a cell
WORK = "import sys; sys.path.insert(0, sys.argv[1]); from wslab.grading.worker import main; main()"


@dataclass
class Seen:
    """What a run has shown: each cell that ran, the judge's verdicts, and how many processes were left behind.

    `ahead` tells whether its kernel had been started before.
    """

    ran: dict[str, Ran] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    done: bool = False
    ahead: bool = False
    left_behind: int = 0


async def run(
    notebook: Notebook,
    plan: Sequence[Planned],
    expected: Mapping[str, Expected],
    limits: Mapping[str, float],
    progress: Callable[[str], None],
) -> Seen:
    """Run `notebook` under nbval and judge its checks; `progress` is told each cell that begins."""
    async with Session() as session:
        seen = await session.run(notebook, plan, expected, limits, progress)
    seen.left_behind = session.left_behind
    return seen


class Session:
    """A worker process that runs one notebook after another; with `ahead` a kernel waits for each.

    `left_behind` counts the processes that the last run left, as soon as it has been cleared up.
    """

    def __init__(self, *, ahead: bool = False) -> None:
        self.left_behind = 0
        self._ahead = ahead
        self._mark = secrets.token_hex(8)
        self._descendants = Descendants(self._mark)
        self._worker: asyncio.subprocess.Process | None = None
        self._place: Place | None = None
        self._used = self._busy = False
        self._folder = Path()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Session:
        folder = tempfile.TemporaryDirectory(prefix="wslab-grade-", ignore_cleanup_errors=True)
        self._folder = Path(self._stack.enter_context(folder))
        self._stack.enter_context(self._descendants.watched())
        self._stack.push_async_callback(self._end)
        self._stack.callback(asyncio.create_task(self._look()).cancel)
        await self._start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    @property
    def alive(self) -> bool:
        """Is the worker there?"""
        return self._worker is not None and self._worker.returncode is None

    async def run(
        self,
        notebook: Notebook,
        plan: Sequence[Planned],
        expected: Mapping[str, Expected],
        limits: Mapping[str, float],
        progress: Callable[[str], None],
    ) -> Seen:
        """Run `notebook` and judge its checks; returns when its last cell has reported, and clears nothing up."""
        if self._used or not self.alive:
            await self.renew()
        assert self._place is not None
        self._used = self._busy = True
        seen, desk = Seen(), self._place.desk
        desk.expected, desk.limits = expected, limits
        await self._tell(self._place.request(notebook, plan))
        with suppress(TimeoutError):
            limit = START_S + max(NOTEBOOK_S, sum(limits.values()))
            await asyncio.wait_for(self._follow(plan, seen, progress), limit)
        seen.verdicts = dict(desk.verdicts)
        return seen

    async def renew(self) -> None:
        """End what the last run left behind, and get ready for the next; with a new worker if the old one is gone."""
        if self.alive:
            await self._clear(keep={self._descendants.worker})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle(), EXIT_S)
        if self.alive and not self._busy:
            await self._move()
        else:
            await self._end()
            await self._start()

    async def _start(self) -> None:
        """Start the worker, in a folder that no kernel is told."""
        home = self._folder / secrets.token_hex(8)
        home.mkdir()
        self._worker = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-c", WORK, str(state.ROOT)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._folder,
            env=environment(home, self._mark),
            start_new_session=True,
        )
        self._busy = False
        with suppress(psutil.Error):
            self._descendants.worker = psutil.Process(self._worker.pid)
        await self._move()

    async def _move(self) -> None:
        """Go to a new place, and have the kernel for it started if it is to wait there."""
        if self._place is not None:
            await self._place.close()
        self._place, self._used = Place(self._folder, self._mark), False
        await self._place.open()
        if self._ahead:
            await self._tell(self._place.kernel)

    async def _end(self) -> None:
        """End the worker and everything else."""
        await self._clear(keep=set())
        if self._worker is not None:
            with suppress(TimeoutError, ProcessLookupError):
                await asyncio.wait_for(self._worker.wait(), EXIT_S)
        await self._descendants.bury()
        if self._place is not None:
            await self._place.close()
            self._place = None

    async def _clear(self, keep: set[psutil.Process | None]) -> None:
        """End the processes of the session but `keep`, and count those besides the worker and its kernel."""
        worker = self._descendants.worker
        own = {process for process in self._descendants.look() if process == worker or _is_kernel(process)}
        self.left_behind = max(0, await self._descendants.end(keep) - len(own - keep))

    async def _look(self) -> None:
        while True:
            self._descendants.look()
            await asyncio.sleep(LOOK_S)

    async def _tell(self, request: Mapping[str, Any]) -> None:
        assert self._worker is not None and self._worker.stdin is not None
        with suppress(ConnectionError):
            self._worker.stdin.write(json.dumps(request).encode() + b"\n")
            await self._worker.stdin.drain()

    async def _heard(self) -> dict[str, Any] | None:
        """The next message of the worker; `None` once it is gone."""
        assert self._worker is not None and self._worker.stdout is not None
        try:
            line = await self._worker.stdout.readline()
            message = json.loads(line) if line else None
        except ValueError:  # too long, or no JSON: not the worker's
            return {}
        if message is not None and not isinstance(message, dict):
            return {}
        if message is not None and "done" in message:
            self._busy = False
        return message

    async def _idle(self) -> None:
        while self._busy and await self._heard() is not None:
            pass

    async def _follow(self, plan: Sequence[Planned], seen: Seen, progress: Callable[[str], None]) -> None:
        """Read what becomes of each cell, until the last one has, or one has taken the kernel or the worker with it."""
        begun = ""
        while (message := await self._heard()) is not None:
            if "begins" in message:
                begun = str(message["begins"])
                progress(begun)
            elif message.keys() == REPORT:  # what is not the worker's has no say, and what looks like it proves nothing
                begun = ""
                seen.ahead = message.pop("ahead")
                ran = Ran(**message)
                seen.ran[str(ran.cell)] = ran
                if ran.ended:
                    return
                if ran.cell == plan[-1].cell:
                    seen.done = True
                    return
            elif "done" in message:
                return
        if begun:  # the worker is gone: what ran then has ended it
            seen.ran[begun] = Ran(begun, passed=False, ended=Outcome.CRASHED)


def _is_kernel(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "ipykernel_launcher" in process.cmdline()
    return False
