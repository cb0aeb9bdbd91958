"""`judge(items, seed)`: one verdict after the other, whatever the learner's work does to the process that judges it.

Each part is judged in a process of its own (`worker`), which is ended with everything that it started when a verdict
does not come in time, when it is gone, and when nobody asks any more; the rest then goes on in a new one.

Rules of this file: nothing of a learner's runs here; every item gets exactly one of the five verdicts; nothing but a
verdict from the worker is a pass.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import psutil

from wslab import state
from wslab.errors import LabError, say
from wslab.grading.descendants import Descendants
from wslab.grading.place import environment
from wslab.grading.verdict import Outcome
from wslab.recording import Recording
from wslab.trace import Trace

from .items import CAPSTONE, QUESTIONS, Item, Judged, notebook, trials, work

WORK = "import sys; sys.path.insert(0, sys.argv[1]); from checkpoint.runner.worker import main; main()"
START_S, GRACE_S, EXIT_S, LOOK_S = 15.0, 5.0, 5.0, 1.0
MESSAGE_BYTES = 1 << 20


@dataclass
class Seen:
    """How many processes were left behind, and have been ended."""

    left_behind: int = 0


async def judge(items: Sequence[Item], seed: int, seen: Seen | None = None) -> AsyncGenerator[Judged, None]:
    """Judge `items`, which stand in the order of `items.items()`; close it, and all that it started has ended."""
    for part, group in groupby(items, lambda item: item.part):
        asked = list(group)
        missing = _not_begun(part)
        if missing:
            for item in asked:
                yield Judged(item, Outcome.FAILED, missing, begun=False)
            continue
        async with aclosing(_judge(part, asked, seed, seen or Seen())) as verdicts:
            async for judged in verdicts:
                yield judged


async def _judge(part: str, asked: list[Item], seed: int, seen: Seen) -> AsyncGenerator[Judged, None]:
    left = list(asked)
    while left:
        async with Worker(part, [item.name for item in left], seed, seen) as worker:
            patience_s = START_S
            while left:
                judged = await _one(worker, left.pop(0), patience_s)
                yield judged
                if worker.lost:
                    break
                patience_s = 0.0
            else:
                await worker.finish()


async def _one(worker: Worker, item: Item, patience_s: float) -> Judged:
    """What the worker says of `item`; where it says nothing, it is lost."""
    try:
        async with asyncio.timeout(patience_s + item.limit_s + GRACE_S):
            while (message := await worker.heard()) is not None:
                if message["name"] == item.name:
                    return _judged(item, message)
    except TimeoutError:
        worker.lost = True
        return Judged(item, Outcome.TIMED_OUT, say("{name}: timed out: no verdict came", name=item.name))
    worker.lost = True
    text = say("{name}: crashed: the judge was ended ({error})", name=item.name, error=worker.last_line())
    return Judged(item, Outcome.CRASHED, text)


def _judged(item: Item, message: dict[str, Any]) -> Judged:
    """What the worker said, with the recording that it left."""
    path, title = message.pop("recording", ""), message.pop("title", "")
    recording = None
    with suppress(LabError):
        recording = Recording(Trace.load(path), title=title) if path else None
    if recording is not None:
        recording.mark(message.get("arrow"))
    del message["name"]
    return Judged(item, Outcome(message.pop("verdict")), recording=recording, **message)


def _not_begun(part: str) -> str:
    """What to do first where there is nothing to judge; an empty text where there is."""
    if part == QUESTIONS:
        return "" if notebook().is_file() else say("not begun: there is no {file}", file=notebook().name)
    module = trials().MODULE
    if not (work() / module).is_file():
        return say("not begun: 'wslab checkpoint --start' makes {file} for you", file=f"{work().name}/{module}")
    if (work() / module).read_bytes() == (trials().STARTER / module).read_bytes():
        return say("not begun: {file} is as it was made", file=f"{work().name}/{module}")
    return ""


class Worker:
    """One process that judges, and everything that came of it; ended with the `with` block.

    `lost` once it has ended, or has to be ended, before it came to all its verdicts.
    """

    def __init__(self, part: str, names: Sequence[str], seed: int, seen: Seen) -> None:
        self.lost = False
        self._request = {"part": part, "names": list(names), "seed": seed}
        self._request["work"] = str(notebook() if part == QUESTIONS else work())
        self._key = self._request["key"] = secrets.token_hex(16)
        self._mark = secrets.token_hex(8)
        self._descendants = Descendants(self._mark)
        self._seen = seen
        self._stack = AsyncExitStack()
        self._folder = Path()
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Worker:
        folder = tempfile.TemporaryDirectory(prefix="wslab-checkpoint-", ignore_cleanup_errors=True)
        self._folder = Path(self._stack.enter_context(folder))
        self._stack.enter_context(self._descendants.watched())
        self._stack.push_async_callback(self._end)
        self._stack.callback(asyncio.create_task(self._look()).cancel)
        recordings = self._folder / secrets.token_hex(8)
        recordings.mkdir()
        self._request["recordings"] = str(recordings)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-c", WORK, str(state.ROOT)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self._folder,
                env=self._environment(),
                limit=MESSAGE_BYTES,
                start_new_session=True,
            )
        with suppress(psutil.Error):
            self._descendants.worker = psutil.Process(self._process.pid)
        assert self._process.stdin is not None
        with suppress(ConnectionError):
            self._process.stdin.write(json.dumps(self._request).encode() + b"\n")
            await self._process.stdin.drain()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def heard(self) -> dict[str, Any] | None:
        """The next message of the worker, which knows its key; `None` once it is gone."""
        assert self._process is not None and self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
                message = json.loads(line) if line else None
            except ValueError:  # too long, or no JSON: not the worker's
                continue
            if message is None:
                return None
            if isinstance(message, dict) and message.pop("key", "") == self._key:
                return message

    async def finish(self) -> None:
        """Let it end by itself; what is there afterwards has been left behind."""
        assert self._process is not None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), EXIT_S)
            self._seen.left_behind += await self._descendants.end()

    def last_line(self) -> str:
        """The last line that it wrote before it was gone."""
        lines = self._log.read_text("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "-")

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _environment(self) -> dict[str, str]:
        """None of the learner's settings; the state and the seed only where no code of the learner's runs."""
        made = environment(self._folder, self._mark)
        if self._request["part"] == CAPSTONE:
            return made
        seed = {name: os.environ[name] for name in ("WSLAB_SEED",) if name in os.environ}
        return made | {"WSLAB_STATE": str(state.folder().absolute())} | seed

    async def _end(self) -> None:
        await self._descendants.end()
        if self._process is not None:
            with suppress(TimeoutError, ProcessLookupError):
                await asyncio.wait_for(self._process.wait(), EXIT_S)
        await self._descendants.bury()

    async def _look(self) -> None:
        while True:
            self._descendants.look()
            await asyncio.sleep(LOOK_S)
