"""Load for a server, from a process of its own: many idle connections, one broadcast, requests and their latencies.

Results are plain numbers and lists, in seconds. The clients end with the kernel, and by themselves after ten minutes.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ..errors import LabError, say
from . import children
from .clients import CLOSE_S, LISTEN_S, OPEN_S, room
from .control import Channel, Message, Switchboard
from .progress import Progress

START_S = 20.0
MOST_S = 300


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What `measure` found: how long each answer took, in the order of the answers, and for how long it asked."""

    latencies_s: list[float]
    seconds: float

    @property
    def per_second(self) -> float:
        """Answers in a second."""
        return len(self.latencies_s) / self.seconds

    def percentile(self, percent: float) -> float:
        """The latency that `percent` of the answers did not exceed, in seconds."""
        ordered = sorted(self.latencies_s)
        if not ordered:
            raise LabError(say("there was no answer to measure"))
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class Crowd:
    """Open connections in a process of their own.

    `opened` of the `wanted` ones are open, which took `seconds`; `note` says why not all, or is empty.
    `memory_bytes` is what this process, the kernel, grew by meanwhile: what the connections cost a server in it.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.opened = 0
        self.seconds = 0.0
        self.memory_bytes = 0
        self.note = ""
        self._folder = Path()
        self._switchboard = Switchboard()
        self._channel: Channel | None = None
        self._child: children.Child | None = None

    async def open(self, url: str, progress: Callable[[float, str], None]) -> None:
        """Open the connections; call once."""
        before = psutil.Process().memory_info().rss
        self._folder = await asyncio.to_thread(children.folder)
        await self._switchboard.start()
        token, arriving = self._switchboard.expect()
        settings = self._folder / "clients.json"
        allowed = room(self.wanted)
        order = {"port": self._switchboard.port, "token": token, "url": url, "connections": allowed}
        settings.write_text(json.dumps(order), "utf-8")
        self._child = await asyncio.to_thread(
            children.start,
            "clients",
            [sys.executable, "-m", "wslab.engines.clients", str(settings)],
            log=self._folder / "clients.log",
        )
        try:
            self._channel = await asyncio.wait_for(arriving, START_S)
        except TimeoutError:
            raise LabError(say("the clients did not start: {line}", line=self._child.last_line())) from None
        while "opened" not in (answer := await self._receive(OPEN_S)):
            share = answer.get("progress", 0) / max(1, self.wanted)
            progress(share, say("{count:,} connections open", count=answer.get("progress", 0)))
        self.opened, self.seconds = answer["opened"], answer["seconds"]
        self.memory_bytes = max(0, psutil.Process().memory_info().rss - before)  # it may have shrunk elsewhere
        if self.opened < self.wanted:
            limited = say("WSLAB_CONNECTIONS allows no more") if os.environ.get("WSLAB_CONNECTIONS") else ""
            self.note = say(
                "scaled down to {opened:,} of {wanted:,} connections: {reason}",
                opened=self.opened,
                wanted=self.wanted,
                reason=answer["error"] or limited or say("a program may not open more files here"),
            )

    async def broadcast(self, send: Callable[[], Any]) -> list[float]:
        """Call `send`, and return how long after that each client had its message, in seconds, the first one first."""
        self._order({"listen": True})
        await self._receive(LISTEN_S)
        start = time.perf_counter()  # the same clock in all processes of a computer
        if inspect.isawaitable(sending := send()):
            await sending
        answer = await self._receive(2 * LISTEN_S)
        return sorted(arrival - start for arrival in answer["arrivals"])

    async def work(self, message: str, seconds: float) -> Measured:
        """Let every client send `message` and await its answer, over and over, for that long."""
        self._order({"work": message, "seconds": seconds})
        answer = await self._receive(seconds + 2 * LISTEN_S)
        return Measured(latencies_s=answer["latencies"], seconds=min(seconds, answer["seconds"]))

    async def close(self) -> None:
        """Close all connections, and end their process."""
        if self._child is not None:
            grace_s = 0.0
            if self._channel is not None:
                self._channel.send({"close": True})
                grace_s = CLOSE_S
            await self._child.end(grace_s)
        self._switchboard.close()
        if self._folder.name:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _order(self, message: Message) -> None:
        if self._channel is None or self._child is None or not self._child.running:
            raise LabError(say("the clients have ended: open them again"))
        self._channel.send(message)

    async def _receive(self, timeout_s: float) -> Message:
        assert self._channel is not None and self._child is not None
        try:
            answer = await asyncio.wait_for(self._channel.receive(), timeout_s)
        except TimeoutError:
            answer = None
        if answer is None:
            line, self._channel = self._child.last_line(), None
            await self.close()
            raise LabError(say("the clients have ended: {line}", line=line))
        return answer


async def open_idle(
    url: str, connections: int = 10_000, *, progress: Callable[[float, str], None] | None = None
) -> Crowd:
    """Open many connections to `url` that send nothing; close them with `await crowd.close()`.

    The server is best served with a hook instead of a tap, without compression and keepalive:
    `serve(handler, hook=True, compression=None, ping_interval=None)`, where `record(server)` still works.

    Args:
        url: Of the server.
        connections: How many. Where the limit of open files is lower there are fewer, and `crowd.note` says so.
        progress: Called with the share that is done and a text; by default a line that is gone at the end.
    """
    crowd = Crowd(connections)
    try:
        with Progress() as line:
            await crowd.open(url, progress or line)
    except BaseException:
        await crowd.close()
        raise
    return crowd


async def measure(url: str, *, clients: int = 8, seconds: float = 1.0, message: str = "hello") -> Measured:
    """Let `clients` connections to `url` ask and await the answer, over and over, and return how long answers took.

    Args:
        url: Of the server.
        clients: How many ask at once, each from its own connection, all from another process.
        seconds: For how long, at most five minutes; a million answers end it before.
        message: What they send.

    Raises:
        LabError: If it was to take longer, or not all clients could connect.
    """
    if not 0 < seconds <= MOST_S:
        raise LabError(say("measure() takes up to {most} seconds, not {seconds:g}", most=MOST_S, seconds=seconds))
    crowd = await open_idle(url, clients)
    try:
        if crowd.note:
            raise LabError(crowd.note)
        return await crowd.work(message, seconds)
    finally:
        await crowd.close()
