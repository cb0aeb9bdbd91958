"""The line between a kernel and the processes that it started: JSON, a line each, both ways, over loopback.

A process dials the kernel and says who it is; then either side sends what it likes. When the line breaks, the process
has no kernel any more and ends.

Rules of this file: sending never waits and never raises; only who knows the token is listened to.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

HOST = "127.0.0.1"
HEALTH = "/healthz"  # the path that a server process answers itself
NAMED = ("process_request", "process_response", "select_subprotocol")  # options that are functions
LINE_BYTES = 1 << 24

Message = dict[str, Any]


class Channel:
    """One end of a line; safe to send from any thread."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._loop = asyncio.get_running_loop()

    def send(self, message: Message) -> None:
        """Send `message`; where nobody listens any more, nothing happens."""
        data = json.dumps(message).encode() + b"\n"
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        with suppress(RuntimeError):  # the loop is closed
            # At once where possible: the loop may not turn for a while.
            self._write(data) if here else self._loop.call_soon_threadsafe(self._write, data)

    async def receive(self) -> Message | None:
        """The next message; `None` when the line has ended or what comes is none."""
        with suppress(OSError, ValueError):
            message = json.loads(await self._reader.readline())
            return message if isinstance(message, dict) else None
        return None

    async def flush(self) -> None:
        """Wait until everything is sent."""
        with suppress(OSError):
            await self._writer.drain()
            self._writer.close()
            await self._writer.wait_closed()

    def close(self) -> None:
        """End the line."""
        self._writer.close()

    def _write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)


async def dial(port: int, token: str) -> Channel:
    """In a process: open the line to the kernel."""
    channel = Channel(*await asyncio.open_connection(HOST, port, limit=LINE_BYTES))
    channel.send({"token": token})
    return channel


class Switchboard:
    """In the kernel: waits for the processes to dial. `expect` gives each a token of its own."""

    def __init__(self) -> None:
        self.port = 0
        self._expected: dict[str, Callable[[Channel], None]] = {}
        self._listener: asyncio.Server | None = None
        self._channels: set[Channel] = set()

    async def start(self) -> Switchboard:
        """Listen on a free port of 127.0.0.1."""
        self._listener = await asyncio.start_server(self._answer, HOST, 0, limit=LINE_BYTES)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    def expect(self) -> tuple[str, asyncio.Future[Channel]]:
        """Return a token for a process to dial with, and what becomes its line."""
        token = secrets.token_hex(16)
        arrived: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self._expected[token] = lambda channel: None if arrived.done() else arrived.set_result(channel)
        return token, arrived

    def close(self) -> None:
        """End every line, and stop listening."""
        if self._listener is not None:
            self._listener.close()
        for channel in list(self._channels):
            channel.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer)
        self._channels.add(channel)
        greeting = await channel.receive() or {}
        connected = self._expected.pop(str(greeting.get("token")), None)
        if connected is None:
            channel.close()
        else:
            connected(channel)
