"""Where the learner's clients play: a process of theirs, a folder, a secret. `House` adds the servers.

Rules of this file: the learner's code runs in other processes only, and none of them outlives the stage.
"""

import asyncio
import secrets
import shutil
from pathlib import Path

from wslab.engines import children
from wslab.engines.control import HOST
from wslab.loopback import bypass_proxy
from wslab.masking import register_secret
from wslab.tap import Tap

from .processes import DriveWork, Process

CLIENTS = "Clients"


class Stage:
    """The place of one sitting. `clients` is the process of the clients under test, once one was wanted."""

    def __init__(self, learner, speed=1):
        self.learner = Path(learner).resolve()
        self.loop = asyncio.get_running_loop()
        self.clients = None
        self.secret = secrets.token_hex(10)  # a part of every token here: nobody may tell it
        register_secret(self.secret)
        self.folder = children.folder()
        self.driving = self.work(DriveWork, client="auction:AuctionClient", speed=speed)

    async def open(self):
        """Make ready."""
        bypass_proxy()
        await self.driving.switchboard.start()
        return self

    async def close(self):
        """End everything at once."""
        if self.clients is not None:
            self.clients.end_now()
            await self.clients.end()
        self.driving.switchboard.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def drive(self):
        """The process of the clients under test, running."""
        if self.clients is None:
            self.clients = Process(CLIENTS, self.driving, Tap(HOST, 0))
            await self.clients.start()
        return self.clients

    def processes(self):
        """The processes of the learner's code."""
        return [self.clients] if self.clients is not None else []

    def token(self):
        """A token that nobody can guess: a number, and what proves it."""
        return f"{secrets.token_hex(4)}.{secrets.token_hex(4)}{self.secret}"

    def work(self, kind, **options):
        """What processes of this `kind` do."""
        home = {name: str(self.folder) for name in ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP")}
        return kind(
            handler="auction:build",
            setup="",
            options={"folder": str(self.learner), **options},
            environment=home,
            folder=self.folder,
            on_fact=self._heard,
        )

    def _heard(self, name, line):
        for process in self.processes():
            if process.name == name:
                process.heard(line)
