"""The way to a judge in another process: what lies on the bench here is judged there.

The judge's address stands in `WSLAB_JUDGE`. Its report comes back as a text, which ends with what only the judge knows
where the exercise is solved.

Rules of this file: whatever happens to the connection, nothing is called solved without the judge's word.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass

import websockets

from .bench import Bench
from .errors import LabError, say
from .values import Json

VARIABLE = "WSLAB_JUDGE"
MAX_BYTES = 1 << 25


@dataclass(frozen=True)
class Sealed:
    """What a judge elsewhere says: the report's text, and whether the exercise is solved."""

    exercise: str
    passed: bool
    text: str

    def __repr__(self) -> str:
        return self.text


def address() -> str:
    """Where the judge is, or an empty string."""
    return os.environ.get(VARIABLE, "")


def ask_judge(exercise: str, bench: Bench) -> Sealed:
    """Let the judge at `address()` work on `bench`; blocks until it has spoken.

    Raises:
        LabError: If it leaves without a verdict.
    """
    spoken: list[Sealed] = []

    async def verdict(passed: bool, text: str) -> Json:
        spoken.append(Sealed(exercise, passed, text))
        return None

    async def conversation() -> None:
        bench.peer.offer("verdict", verdict)
        with contextlib.suppress(OSError, websockets.WebSocketException, ValueError):
            await _talk(f"{address()}/{exercise}", bench)

    bench.run(conversation)
    if not spoken:
        raise LabError(say("the judge left without a verdict"))
    return spoken[-1]


async def _talk(url: str, bench: Bench) -> None:
    async with websockets.connect(url, max_size=MAX_BYTES, ping_interval=None, proxy=None, compression=None) as ws:
        outgoing: asyncio.Queue[str] = asyncio.Queue()
        bench.peer.send = outgoing.put_nowait
        sending = asyncio.create_task(_send(ws, outgoing))
        try:
            async for text in ws:
                bench.peer.received(str(text))
            await asyncio.sleep(0)  # so that what came last is heard, too
        finally:
            sending.cancel()


async def _send(ws: websockets.ClientConnection, outgoing: asyncio.Queue[str]) -> None:
    while True:
        await ws.send(await outgoing.get())
