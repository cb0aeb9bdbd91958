"""One run: a rebuilt notebook in a process and folder of its own, with a judge beside it.

Rules of this file: the environment is made, not inherited; every process that the run started is ended, whatever
happened; nothing is waited for longer than its limit.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import site
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from .. import catalogue, state
from ..judge import Verdict
from ..remote import VARIABLE
from .descendants import MARK, Descendants
from .desk import Desk, Expected
from .rebuild import Notebook, Planned
from .verdict import Outcome, Ran

NOTEBOOK_S = 60.0
START_S = 30.0
LOOK_S = 0.2
EXIT_S = 1.0
KEPT = (
    "PATH SYSTEMROOT WINDIR COMSPEC PATHEXT NUMBER_OF_PROCESSORS PROCESSOR_ARCHITECTURE LD_LIBRARY_PATH "
    "DYLD_LIBRARY_PATH VIRTUAL_ENV LANG LANGUAGE LC_ALL LC_CTYPE LC_MESSAGES TZ WSLAB_SHAKE"
).split()
WORK = "import sys; sys.path.insert(0, sys.argv[1]); from wslab.grading.worker import main; main()"


@dataclass
class Seen:
    """What a run has shown: each cell that ran, the judge's verdicts, and how many processes were left behind."""

    ran: dict[str, Ran] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    done: bool = False
    left_behind: int = 0


async def run(
    notebook: Notebook,
    plan: Sequence[Planned],
    expected: Mapping[str, Expected],
    limits: Mapping[str, float],
    progress: Callable[[str], None],
) -> Seen:
    """Run `notebook` under nbval and judge its checks; `progress` is told each cell that begins."""
    seen = Seen()
    mark = secrets.token_hex(8)
    descendants = Descendants(mark)
    with (
        tempfile.TemporaryDirectory(prefix="wslab-grade-", ignore_cleanup_errors=True) as folder,
        descendants.watched(),
    ):
        async with Desk(expected, limits) as desk:
            environment = _environment(Path(folder), mark)
            worker = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-c", WORK, str(state.ROOT)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
            with suppress(psutil.Error):
                descendants.worker = psutil.Process(worker.pid)
            watching = asyncio.create_task(_watch(descendants))
            try:
                request = _request(Path(folder), notebook, plan, environment | {VARIABLE: desk.address})
                assert worker.stdin is not None and worker.stdout is not None
                with suppress(ConnectionError):
                    worker.stdin.write(json.dumps(request).encode() + b"\n")
                    await worker.stdin.drain()
                limit = START_S + max(NOTEBOOK_S, sum(limits.values()))
                with suppress(TimeoutError):
                    await asyncio.wait_for(_follow(worker.stdout, plan, seen, progress), limit)
            finally:
                watching.cancel()
                await _end(worker, descendants, seen)
                seen.verdicts = desk.verdicts
    return seen


async def _follow(
    replies: asyncio.StreamReader, plan: Sequence[Planned], seen: Seen, progress: Callable[[str], None]
) -> None:
    """Read what becomes of each cell, until the last one has, or one has taken the kernel or the process with it."""
    begun = ""
    while line := await replies.readline():
        message: dict[str, Any] = json.loads(line)
        if "begins" in message:
            begun = message["begins"]
            progress(begun)
        elif "cell" in message:
            begun = ""
            seen.ran[message["cell"]] = Ran(**message)
            if message["ended"]:
                return
            if message["cell"] == plan[-1].cell:
                seen.done = True
                return
        elif "done" in message:
            return
    if begun:  # the process is gone: what ran then has ended it
        seen.ran[begun] = Ran(begun, passed=False, ended=Outcome.CRASHED)


async def _end(worker: asyncio.subprocess.Process, descendants: Descendants, seen: Seen) -> None:
    """End every process of the run, and count those besides the worker and its kernel."""
    own = {process.pid for process in descendants.look() if process == descendants.worker or _is_kernel(process)}
    count = await descendants.end()
    seen.left_behind = max(0, count - len(own))
    with suppress(TimeoutError, ProcessLookupError):
        await asyncio.wait_for(worker.wait(), EXIT_S)
    await descendants.bury()


def _is_kernel(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "ipykernel_launcher" in process.cmdline()
    return False


async def _watch(descendants: Descendants) -> None:
    while True:
        descendants.look()
        await asyncio.sleep(LOOK_S)


def _request(
    folder: Path, notebook: Notebook, plan: Sequence[Planned], environment: Mapping[str, str]
) -> dict[str, Any]:
    """What the worker has to know; the kernel's own folder is empty."""
    work, place = folder / "work", folder / "notebook"
    work.mkdir()
    place.mkdir()
    file = place / "graded.ipynb"
    file.write_text(json.dumps(notebook), encoding="utf-8")
    return {
        "notebook": str(file),
        "folder": str(work),
        "environment": environment,
        "plan": [asdict(planned) for planned in plan],
    }


def _environment(folder: Path, mark: str) -> dict[str, str]:
    """An environment in which nothing of the learner's settings is left: HOME, IPython, Jupyter, Python, pytest."""
    places = {
        "HOME": "home",
        "USERPROFILE": "home",
        "APPDATA": "home",
        "LOCALAPPDATA": "home",
        "TMPDIR": "tmp",
        "TEMP": "tmp",
        "TMP": "tmp",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "jupyter",
        "JUPYTER_DATA_DIR": "jupyter",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "MPLCONFIGDIR": "matplotlib",
        "WSLAB_STATE": "state",
    }
    for name in set(places.values()):
        (folder / name).mkdir()
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {name: str(folder / place) for name, place in places.items()}
    return environment | {
        "PYTHONPATH": str(state.ROOT),
        "PYTHONUSERBASE": site.getuserbase(),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "WSLAB_EXERCISES": str(catalogue.folder().resolve()),
        "no_proxy": "127.0.0.1",
        MARK: mark,
    }
