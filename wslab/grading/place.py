"""Where one kernel runs: a folder, an environment and a judge that no other kernel gets.

Rules of this file: the environment is made, not inherited.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import site
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import catalogue, state
from ..remote import VARIABLE
from .descendants import MARK
from .desk import Desk
from .rebuild import Notebook, Planned

KEPT = (
    "PATH SYSTEMROOT WINDIR COMSPEC PATHEXT NUMBER_OF_PROCESSORS PROCESSOR_ARCHITECTURE LD_LIBRARY_PATH "
    "DYLD_LIBRARY_PATH VIRTUAL_ENV LANG LANGUAGE LC_ALL LC_CTYPE LC_MESSAGES TZ WSLAB_SHAKE"
).split()
OWN = {
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


class Place:
    """A place below `parent` for one kernel; its judge waits from `open` to `close`, its folder is gone then."""

    def __init__(self, parent: Path, mark: str) -> None:
        self.desk = Desk()
        self._folder = parent / secrets.token_hex(8)
        self._mark = mark
        self.environment: dict[str, str] = {}

    async def open(self) -> None:
        """Make the folder and start the judge."""
        self._folder.mkdir()
        self._work.mkdir()
        await self.desk.open()
        self.environment = environment(self._folder, self._mark) | {VARIABLE: self.desk.address}

    async def close(self) -> None:
        """End the judge and remove the folder."""
        await self.desk.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _work(self) -> Path:
        return self._folder / "work"

    @property
    def kernel(self) -> dict[str, Any]:
        """What the worker has to know in order to start a kernel here; the folder that it starts in is empty."""
        return {"folder": str(self._work), "environment": self.environment}

    def request(self, notebook: Notebook, plan: Sequence[Planned]) -> dict[str, Any]:
        """What the worker has to know in order to run `notebook` here."""
        folder = self._folder / "notebook"
        folder.mkdir()
        file = folder / "graded.ipynb"
        file.write_text(json.dumps(notebook), encoding="utf-8")
        return {"notebook": str(file), "plan": [asdict(planned) for planned in plan], **self.kernel}


def environment(folder: Path, mark: str) -> dict[str, str]:
    """An environment in which nothing of the learner's settings is left: HOME, IPython, Jupyter, Python, pytest."""
    for name in set(OWN.values()):
        (folder / name).mkdir()
    out = {name: os.environ[name] for name in KEPT if name in os.environ}
    out |= {name: str(folder / place) for name, place in OWN.items()}
    return out | {
        "PYTHONPATH": str(state.ROOT),
        "PYTHONUSERBASE": site.getuserbase(),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "WSLAB_EXERCISES": str(catalogue.folder().resolve()),
        "no_proxy": "127.0.0.1",
        MARK: mark,
    }
