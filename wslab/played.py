"""A server whose answers a check decides on, for exercises in which the learner writes the client.

Rules of this file: every wait is bounded; a client that leaves is no error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextvars import Context, copy_context
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.typing import Data

from .server import Server, serve

CLOSE_S = 0.5


@dataclass(frozen=True)
class Asked:
    """A message of the client, with the context that whatever answers it is sent in, so that pictures show the pair."""

    data: Data
    context: Context


class Played:
    """The end of one connection that the check plays; `server` is what records it."""

    server: Server

    def __init__(self) -> None:
        self._ws: ServerConnection | None = None
        self._messages: asyncio.Queue[Asked] = asyncio.Queue()
        self._left = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the learner's client has to connect to."""
        return self.server.url

    async def receive(self, timeout: float) -> Asked | None:
        """The client's next message, or `None` if none comes for `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._messages.get(), timeout)
        return None

    async def send(self, message: Data, to: Asked | None = None) -> None:
        """Send `message`, if the client is still there: as an answer `to` a message of its, else as a push."""
        if self._ws is not None:
            sending = asyncio.create_task(self._ws.send(message), context=to.context if to else None)
            with contextlib.suppress(ConnectionClosed):
                await sending

    async def close(self, code: int = 1000) -> None:
        """Close the connection politely."""
        if self._ws is not None:
            await self._ws.close(code)

    def cut(self) -> None:
        """End the connection at once, as a pulled cable would."""
        if self.server.tap is not None:
            self.server.tap.cut()

    async def left(self, within: float) -> bool:
        """Has the connection ended, at the latest after `within` seconds?"""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._left.wait(), within)
        return self._left.is_set()

    async def _handle(self, ws: ServerConnection) -> None:
        self._ws = ws
        try:
            async for message in ws:
                self._messages.put_nowait(Asked(message, copy_context()))
        except ConnectionClosed:
            pass
        finally:
            self._left.set()


@contextlib.asynccontextmanager
async def play(name: str = "Judge's server") -> AsyncIterator[Played]:
    """Serve one client of the learner's, as the check wants it."""
    played = Played()
    played.server = await serve(played._handle, name=name, close_timeout=CLOSE_S)
    try:
        yield played
    finally:
        await played.server.stop()
