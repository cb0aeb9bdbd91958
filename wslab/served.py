"""The learner's handler on a real server, as a check sees it: through a tap and a recording of the check's own.

Rules of this file: every wait is bounded; what should have come and did not is told as `NoAnswer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from .errors import say
from .feedback import NoAnswer, advice
from .tap import Tap

WAIT_S = 2.0
LOOK_S = 0.01
STOP_S = 2.5
DRAIN_S = 0.1
HOST = "127.0.0.1"

Ask = Callable[..., Awaitable[Any]]


class Served:
    """The learner's handler on a real server; `connect()` is a real client of it, `tap` can cut and delay."""

    def __init__(self, exercise: str, ask: Ask, *, number: int, name: str, port: int) -> None:
        self.exercise, self.name = exercise, name
        self.tap = Tap(HOST, port, server=name)
        self._ask, self._number = ask, number
        self._clients: list[ClientConnection] = []

    @property
    def url(self) -> str:
        """The address of the tap."""
        return f"ws://{HOST}:{self.tap.port}"

    async def connect(self, name: str = "Client", path: str = "/", **options: Any) -> ClientConnection:
        """Open a connection to the learner's server under this lane name; `options` are those of `connect`."""
        query = "" if name == "Client" else f"?name={name}"
        options = {"compression": None, "open_timeout": WAIT_S, "close_timeout": 0.3, "proxy": None} | options
        try:
            client = await websockets.connect(self.url + path + query, **options)
        except (OSError, TimeoutError, websockets.InvalidHandshake) as exc:
            raise NoAnswer(
                say(
                    "{exercise} start: no connection came about ({error}).",
                    exercise=self.exercise,
                    error=f"{type(exc).__name__}: {exc}",
                )
            ) from None
        self._clients.append(client)
        return client

    async def send(self, client: ClientConnection, message: Any) -> None:
        """Send `message`; where the connection has ended, the next `receive` says so."""
        with contextlib.suppress(websockets.ConnectionClosed):
            await client.send(message)

    async def receive(self, client: ClientConnection, did: str, expected: str = "", timeout: float = WAIT_S) -> Any:
        """Return the next message for `client`; what was `expected` is an answer unless it is named.

        Raises:
            NoAnswer: If nothing arrives in time, or the connection ends first.
        """
        expected = expected or say("an answer")
        try:
            return await asyncio.wait_for(client.recv(), timeout)
        except TimeoutError:
            raise NoAnswer(
                say(
                    "{exercise} no answer: nothing arrived within {timeout:g} s. Is a send not awaited, does the "
                    "handler wait for something else, or has it passed this message over?",
                    exercise=self.exercise,
                    timeout=timeout,
                ),
                did=did,
                expected=expected,
                saw=say("nothing"),
            ) from None
        except websockets.ConnectionClosed as exc:
            ending = await self._ending(client.close_code)
            raise NoAnswer(
                say("{exercise} closed: {ending}", exercise=self.exercise, ending=ending),
                did=did,
                expected=expected,
                saw=say("{error}, close code {code}", error=type(exc).__name__, code=client.close_code),
                where=lambda event: event.kind in ("close", "end") and not event.up,
            ) from None

    async def _ending(self, code: int | None) -> str:
        """Why the connection ended where an answer was expected."""
        if raised := await self.raised():
            return say(
                "your handler raised {error}, so the connection ended with {code}.{advice}",
                error=raised,
                code=code,
                advice=advice(raised),
            )
        if code == 1000:
            return say(
                "your handler returned before it answered; when a handler returns, its connection is closed with 1000."
            )
        return say("the connection ended with {code} where an answer was expected.", code=code)

    async def handlers(self) -> frozenset[int]:
        """The tasks that run the learner's handler now, the library's around it included, as `Answer.tasks` counts."""
        return frozenset(await self._ask("handlers", self._number))

    async def ended(self, within: float) -> bool:
        """Have all handlers returned, at the latest after `within` seconds?"""
        deadline = time.monotonic() + within
        while not (ended := bool(await self._ask("ended", self._number))) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
        return ended

    async def raised(self) -> str:
        """The exception that left a handler last, as "Type: text", or an empty string."""
        return str(await self._ask("raised", self._number))

    async def close(self) -> None:
        """End every client that is still connected, then the server."""
        for client in self._clients:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.close(), 0.5)
        try:
            await self._ask("stop", self._number, within=STOP_S)
            await asyncio.wait_for(self.tap.drained(), DRAIN_S)  # so that the clients' ends of TCP are seen
        except (NoAnswer, TimeoutError):  # the verdict does not depend on how politely it ends
            pass
        finally:
            self.tap.close()
