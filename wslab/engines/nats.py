"""The backplane: a NATS server on a free port of 127.0.0.1, behind taps that record it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

from ..errors import LabError, say
from ..tap import Tap
from . import children
from .binaries import find
from .control import HOST

START_S = 15.0
NAME = "Backplane"


class Backplane:
    """A running NATS server. Every client reaches it through a tap of its own; `url` is the notebook's way to it."""

    def __init__(self, folder: Path) -> None:
        self.name = NAME
        self.taps: list[Tap] = []
        self._folder = folder
        self._port = 0
        self._child: children.Child | None = None

    @property
    def url(self) -> str:
        """The address for clients in the notebook."""
        return f"nats://{HOST}:{self.taps[0].port}"

    @property
    def running(self) -> bool:
        """Has it been started, and not ended?"""
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int:
        """Its process id; 0 before the start."""
        return self._child.pid if self._child is not None else 0

    async def start(self) -> None:
        """Start it, and wait until a publication came back.

        Raises:
            LabError: If it does not, with the last line of what it said.
        """
        arguments = ["-a", HOST, "-p", "-1", "--ports_file_dir", str(self._folder)]
        self._child = await asyncio.to_thread(
            children.start, "NATS", [find("nats-server"), *arguments], log=self._folder / "nats.log"
        )
        try:
            async with asyncio.timeout(START_S):
                while not await self._ready():
                    if await self._child.ended(0.01):
                        raise ConnectionError
        except (TimeoutError, ConnectionError):
            line = self._child.last_line()
            await self._child.end()
            raise LabError(say("the backplane does not serve: {line}", line=line)) from None
        if not self.taps:
            await self.tap(None)
        for tap in self.taps:
            tap.target = HOST, self._port

    async def tap(self, client: str | None) -> Tap:
        """Start another way to it; `client` names the lane of who comes that way."""
        tap = await Tap(HOST, self._port, server=NAME, client=client).start()
        self.taps.append(tap)
        return tap

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._child is not None:
            self._child.kill()

    async def restart(self) -> None:
        """Start it anew, behind the same taps; what it knew is lost."""
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        """End it."""
        if self._child is not None:
            await self._child.end()

    async def _ready(self) -> bool:
        """Has a message that we publish come back to us?"""
        assert self._child is not None
        with suppress(OSError, ValueError, LookupError, asyncio.IncompleteReadError):
            ports = json.loads((self._folder / f"nats-server_{self._child.pid}.ports").read_bytes())
            self._port = int(ports["nats"][0].rpartition(":")[2])
            reader, writer = await asyncio.open_connection(HOST, self._port)
            try:
                writer.write(b'CONNECT {"verbose":false}\r\nSUB ready 1\r\nPUB ready 2\r\nok\r\n')
                await reader.readuntil(b"MSG ready 1 2\r\nok\r\n")
                return True
            finally:
                writer.close()
        return False
