"""Where kernels come to be judged: a WebSocket server on 127.0.0.1 in the checking process.

A check cell connects and offers what the learner handed in; the behaviours run here, with this process's random values.
Only after its own verdict does the judge tell the kernel the nonce that the stored output of that cell ends with.

Rules of this file: nothing that comes in is believed; whoever says nothing, or nonsense, gets no verdict.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ..answer import Case
from ..judge import Line, Verdict, judge_case, titles
from ..peer import Gone
from ..remote import MAX_BYTES
from ..report import Report

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Expected:
    """What a check's stored output says: the report of a passed exercise, and the nonce of this run."""

    exercise: str
    nonce: str

    @classmethod
    def fresh(cls, exercise: str) -> Expected:
        return cls(exercise, secrets.token_hex(16))

    @property
    def text(self) -> str:
        passed = Verdict(self.exercise, [Line("ok", title) for title in titles(self.exercise)])
        return f"{Report(passed).text}\n{self.nonce}"


class Desk:
    """The judge of one run: of the exercises in `expected`; `verdicts` is its own record, by exercise."""

    def __init__(
        self, expected: Mapping[str, Expected] | None = None, limits: Mapping[str, float] | None = None
    ) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self.expected, self.limits = expected or {}, limits or {}
        self._key = secrets.token_urlsafe(16)
        self._server: Server | None = None

    async def __aenter__(self) -> Desk:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen, on a free port."""
        self._server = await serve(
            self._judge, HOST, 0, max_size=MAX_BYTES, ping_interval=None, compression=None, close_timeout=0.5
        )

    async def close(self) -> None:
        """End every conversation and free the port."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def address(self) -> str:
        """Where check cells find the judge; whoever does not know the key is not judged."""
        assert self._server is not None
        return f"ws://{HOST}:{self._server.sockets[0].getsockname()[1]}/{self._key}"

    async def _judge(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        _, key, exercise, *_ = [*ws.request.path.split("/"), "", ""]
        if not secrets.compare_digest(key.encode(), self._key.encode()) or exercise not in self.expected:
            return
        case = Case(exercise)
        outgoing: asyncio.Queue[str] = asyncio.Queue()
        case.peer.send = outgoing.put_nowait
        talking = [asyncio.create_task(_send(ws, outgoing)), asyncio.create_task(_receive(ws, case))]
        verdict = Verdict(exercise)
        try:
            await judge_case(case, verdict, self.limits[exercise])
        except Gone:  # the kernel has ended, or has spoken nonsense
            return
        finally:
            for task in talking:
                task.cancel()
        self.verdicts[exercise] = verdict
        text = self.expected[exercise].text if verdict.passed else Report(verdict).text
        case.peer.tell("verdict", verdict.passed, text)
        with suppress(ConnectionClosed):
            while not outgoing.empty():
                await ws.send(outgoing.get_nowait())


async def _send(ws: ServerConnection, outgoing: asyncio.Queue[str]) -> None:
    with suppress(ConnectionClosed):
        while True:
            await ws.send(await outgoing.get())


async def _receive(ws: ServerConnection, case: Case) -> None:
    try:
        async for text in ws:
            case.peer.received(str(text))
    except (ConnectionClosed, ValueError, TypeError, KeyError, RecursionError):
        pass
    finally:
        case.peer.gone()
