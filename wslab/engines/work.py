"""What server processes are to do, and the start of one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import websockets

from ..errors import LabError, say
from . import children
from .control import HEALTH, HOST, NAMED, Switchboard

OnFact = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the processes of a cluster have in common; `mark` tells their echoes from those of others.

    A subclass may have another `PROGRAM` run, which talks over the same line, with another `probe`.

    Raises:
        LabError: If a function is not given by its name, or an option cannot be sent to another process.
    """

    PROGRAM: ClassVar[str] = "wslab.engines.process"

    handler: str
    setup: str
    options: Mapping[str, Any]
    environment: Mapping[str, str]
    folder: Path
    on_fact: OnFact
    switchboard: Switchboard = field(default_factory=Switchboard)
    mark: str = field(default_factory=lambda: os.urandom(8).hex())

    def __post_init__(self) -> None:
        named = {"handler": self.handler, "setup": self.setup or ":"}
        named |= {key: value for key, value in self.options.items() if key in NAMED}
        for option, value in named.items():
            if not (isinstance(value, str) and value.count(":") == 1):
                raise LabError(
                    say(
                        "{option} runs in other processes: write it into a file, and name it as 'file:function'",
                        option=option,
                    )
                )
        try:
            json.dumps(dict(self.options))
        except TypeError as exc:
            raise LabError(say("an option cannot be sent to another process: {error}", error=exc)) from None

    def start(self, name: str, environment: Mapping[str, str], token: str) -> children.Child:
        """Start a process called `name` that dials with `token`."""
        if not self.folder.is_dir():
            raise LabError(say("the cluster of {name} has been stopped: start it again", name=name))
        settings = self.folder / f"{name}.json"
        content = {
            "name": name,
            "handler": self.handler,
            "setup": self.setup,
            "options": dict(self.options),
            "mark": self.mark,
            "port": self.switchboard.port,
            "token": token,
        }
        settings.write_text(json.dumps(content), "utf-8")
        return children.start(
            name,
            [sys.executable, "-m", self.PROGRAM, str(settings)],
            log=self.folder / f"{name}.log",
            env={**self.environment, **environment, "PYTHONPATH": os.pathsep.join(_path())},
        )

    async def probe(self, port: int) -> None:
        """Send a message through `port` to a process of this work, and await its echo."""
        url = f"ws://{HOST}:{port}{HEALTH}?{self.mark}"
        offered = self.options.get("subprotocols")  # a server that has some refuses who offers none
        async with websockets.connect(url, proxy=None, compression=None, open_timeout=None, subprotocols=offered) as ws:
            await ws.send("")  # within any limit that the lesson sets
            if await ws.recv() != "":
                raise ConnectionError


def _path() -> list[str]:
    """Where a process looks for modules: where the notebook does, the notebook's own folder first."""
    folders = [os.getcwd(), *(folder for folder in sys.path if folder)]
    if (notebook := Path(os.environ.get("JPY_SESSION_NAME", ""))).is_file():
        folders.insert(0, str(notebook.resolve().parent))
    return list(dict.fromkeys(folders))
