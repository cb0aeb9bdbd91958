"""Where a server's records go, and how the administrator is told."""

import asyncio
import json
import time
from pathlib import Path

from .trouble import trouble


class Log:
    """The structured log: one JSON object for each record."""

    def __init__(self, settings):
        self.path, self.server = Path(settings.log), settings.server

    def __call__(self, event, connection=None, **facts):
        """Write a record: what happened, on which connection, and what else is known.

        For example `log("connect", 7)`, or `log("disconnect", 7, code=1000, reason="", seconds=2.5)`.
        """
        _append(self.path, {"at": time.time(), "server": self.server, "event": event, "connection": connection} | facts)


class Admin:
    """The administrator, who is told by mail. Mail takes its time."""

    def __init__(self, settings):
        self.path = Path(settings.notices)

    async def notify(self, summary):
        """Send the dictionary `summary`; it may take seconds."""
        await asyncio.sleep(trouble.mail_s)
        _append(self.path, {"at": time.time()} | summary)


def _append(path, record):
    line = json.dumps(record, default=str) + "\n"
    with path.open("ab", buffering=0) as file:  # one write: records of several servers never mix
        file.write(line.encode())
