"""The learner's handler on a real server, as a check sees it.

Rules of this file: every wait is bounded; what should have come and did not is told as `NoAnswer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from .feedback import NoAnswer, advice
from .recording import Recording
from .server import Server

WAIT_S = 2.0
LOOK_S = 0.01


class Served:
    """The learner's handler on a real server; `connect()` is a real client of it."""

    def __init__(self, exercise: str, server: Server, recording: Recording, tasks: set[asyncio.Task[None]]) -> None:
        self.exercise, self.server, self.recording = exercise, server, recording
        self._tasks = tasks
        self._clients: list[ClientConnection] = []

    async def connect(self, name: str = "Client") -> ClientConnection:
        """Open a connection to the learner's server under this lane name."""
        query = "" if name == "Client" else f"/?name={name}"
        try:
            client = await websockets.connect(
                self.server.url + query, compression=None, open_timeout=WAIT_S, close_timeout=0.3, proxy=None
            )
        except (OSError, TimeoutError, websockets.InvalidHandshake) as exc:
            raise NoAnswer(f"{self.exercise} start: no connection came about ({type(exc).__name__}: {exc}).") from None
        self._clients.append(client)
        return client

    async def send(self, client: ClientConnection, message: Any) -> None:
        """Send `message`; where the connection has ended, the next `receive` says so."""
        with contextlib.suppress(websockets.ConnectionClosed):
            await client.send(message)

    async def receive(
        self, client: ClientConnection, did: str, expected: str = "an answer", timeout: float = WAIT_S
    ) -> Any:
        """Return the next message for `client`.

        Raises:
            NoAnswer: If nothing arrives in time, or the connection ends first.
        """
        try:
            return await asyncio.wait_for(client.recv(), timeout)
        except TimeoutError:
            raise NoAnswer(
                f"{self.exercise} no answer: nothing arrived within {timeout:g} s. Is a send not awaited, "
                "or did the "
                "handler wait for something else?",
                did=did,
                expected=expected,
                saw="nothing",
            ) from None
        except websockets.ConnectionClosed as exc:
            raise NoAnswer(
                f"{self.exercise} closed: {self._ending(client.close_code)}",
                did=did,
                expected=expected,
                saw=f"{type(exc).__name__}, close code {client.close_code}",
                where=lambda event: event.kind in ("close", "end") and not event.up,
            ) from None

    def _ending(self, code: int | None) -> str:
        """Why the connection ended where an answer was expected."""
        if self.raised():
            return f"your handler raised {self.raised()}, so the connection ended with {code}.{advice(self.raised())}"
        if code == 1000:
            return (
                "your handler returned before it answered; when a handler returns, its connection is closed with 1000."
            )
        return f"the connection ended with {code} where an answer was expected."

    @property
    def handlers(self) -> set[asyncio.Task[None]]:
        """The tasks that run the learner's handler now, the library's around it included."""
        library = self.server.library
        return self._tasks | (library.handler_tasks if library is not None else set())

    async def ended(self, within: float) -> bool:
        """Have all handlers returned, at the latest after `within` seconds?"""
        deadline = time.monotonic() + within
        while self._tasks and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S / 10)
        return not self._tasks

    def raised(self) -> str:
        """The exception that left a handler last, as "Type: text", or an empty string."""
        if not self.server.errors:
            return ""
        error = self.server.errors[-1]
        return f"{type(error).__name__}: {error}"

    async def close(self) -> None:
        """End every client that is still connected."""
        for client in self._clients:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.close(), 0.5)
