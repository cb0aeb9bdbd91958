"""A relay between client and server that records: bytes in, the same bytes out, events beside.

`Tap.start` listens on a free port of 127.0.0.1 and dials the server for every client. Each chunk is recorded before
it is passed on, so the order in a trace is the order at the tap. The tap is also the fault injector: `cut`,
`blackhole`, `delay`, `shake`.

Rules of this file: bytes are never changed, and an exception in decoding never stops the relay.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from .cause import Link, links
from .decode import Decoder
from .relay import Relay, Side
from .trace import Event, Kind, publish

SHAKE_S = 0.012


class Tap:
    """The relay in front of one server.

    `server` is the name of the server's lane. Faults apply to every connection, or to the one called `name`.
    """

    def __init__(self, host: str, port: int, *, server: str = "Server") -> None:
        self.server = server
        self.port = 0
        self.connections: set[TapConnection] = set()
        self._target = host, port
        self._listener: asyncio.Server | None = None
        self._closed = False
        self._empty: asyncio.Future[None] | None = None
        self._lives: Counter[str] = Counter()
        self._delay_s = 0.0
        self._random: random.Random | None = None
        if seed := os.environ.get("WSLAB_SHAKE"):
            self.shake(int(seed))

    async def start(self) -> Tap:
        """Listen on a free port of 127.0.0.1; returns the tap itself."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Side(TapConnection(self)), "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    def close(self) -> None:
        """Stop listening and end what is still open."""
        self._closed = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.abort()

    async def drained(self) -> None:
        """Wait until every connection has ended."""
        if self.connections:
            self._empty = asyncio.get_running_loop().create_future()
            await self._empty

    def accept(self, connection: TapConnection) -> bool:
        """A client has come: may it stay?"""
        if not self._closed:
            self.connections.add(connection)
        return not self._closed

    def forget(self, connection: TapConnection) -> None:
        """A connection has ended on both sides."""
        self.connections.discard(connection)
        if not self.connections and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def cut(self, name: str | None = None) -> None:
        """End connections at once with a TCP reset in both directions, as a pulled cable behind a router would."""
        for connection in self._named(name):
            connection.cut()

    def blackhole(self, name: str | None = None) -> None:
        """From now on let every byte vanish; nobody is told."""
        for connection in self._named(name):
            connection.lost = True

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for `seconds` before it is recorded and passed on."""
        self._delay_s = seconds

    def shake(self, seed: int | None) -> None:
        """Hold every chunk back for a random time up to 12 ms, order kept; `None` ends it."""
        self._random = None if seed is None else random.Random(f"{seed}")

    def hold(self) -> float:
        """How long the next chunk has to wait, in seconds."""
        return self._delay_s + (self._random.uniform(0, SHAKE_S) if self._random else 0.0)

    def transports(self) -> list[asyncio.Transport]:
        """What is open on both sides."""
        return [side.transport for connection in list(self.connections) for side in connection.sides]

    def pending(self) -> str:
        """Why the tap is not quiet, or an empty string."""
        for connection in list(self.connections):  # asked from other threads, too
            if reason := connection.pending():
                return reason
        return ""

    async def dial(self, side: Side) -> object:
        """Connect `side` to the server."""
        return await asyncio.get_running_loop().create_connection(lambda: side, *self._target)

    def name(self, link: Link, name: str) -> None:
        """Call `link` `name`, or the first of "name 2", "name 3", … that no open connection has."""
        # Whose client has ended is over, even if the tap still holds back the news: a client may come back at once.
        taken = {connection.link.name for connection in self.connections if not connection.client_left} | {self.server}
        link.name = next(n for i in range(1, 10**6) if (n := name if i == 1 else f"{name} {i}") not in taken)
        link.life = self._lives[link.name]
        self._lives[link.name] += 1

    def _named(self, name: str | None) -> list[TapConnection]:
        return [c for c in self.connections if name is None or c.link.name == name]


class TapConnection(Relay):
    """One client's connection through a tap."""

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self.tap = tap
        self.decoder = Decoder()
        self.link = Link(name="", tapped=True)
        self._number = 0
        self._named = False
        self._ended = False
        self._broken = False

    def accepted(self, side: Side) -> None:
        if self.tap.accept(self):
            super().accepted(side)
        else:
            side.reset()

    def dialled(self, side: Side) -> None:
        links[side.ports] = self.link
        super().dialled(side)

    async def dial(self, side: Side) -> object:
        return await self.tap.dial(side)

    def hold(self) -> float:
        return self.tap.hold()

    def record(self, up: bool, data: bytes | None) -> None:
        if self._broken:
            return
        try:
            for event in self.decoder.end(up) if data is None else self.decoder.feed(up, data):
                self._publish(event)
        except Exception as exc:  # the relay goes on whatever the decoder meets; its bytes cannot be masked, so none
            self._broken = True
            note = f"not decoded from here on: {type(exc).__name__}"
            self._publish(Event(kind=Kind.INVALID, up=up, wire_bytes=len(data or b""), note=note))

    def record_end(self, up: bool, note: str) -> None:
        for side in (up,) if note == "FIN" else (up, not up):  # a reset ends both directions
            self.record(side, None)
        if not self._ended:
            self._ended = True
            self._publish(Event(kind=Kind.END, up=up, note=note))

    def _publish(self, event: Event) -> None:
        if not self._named:
            self._named = True
            self.tap.name(self.link, _name(event))
        name, server = self.link.name, self.tap.server
        source, target = (name, server) if event.up else (server, name)
        cause = None
        # The library's keepalive sends four random bytes; a ping that a lesson sends carries a text of its own.
        keepalive = event.kind in (Kind.PING, Kind.PONG) and event.length == 4
        if not event.up and event.ordinal is not None:
            cause = self.link.causes.pop(event.ordinal, None)
        placed = replace(
            event,
            source=source,
            target=target,
            connection=name,
            life=self.link.life,
            tap=server,
            number=self._number,
            cause=cause,
            lost=self.lost,
            keepalive=keepalive,
        )
        self._number += 1
        publish(placed)

    def pending(self) -> str:
        """Why this connection is not quiet, or an empty string."""
        who = self.link.name or "a client"
        if self.dialling:
            return f"the tap is still dialling for {who}"
        if self.half_closed:
            return f"the connection of {who} is half closed"
        if any(side.busy() for side in self.sides):
            return f"bytes of {who} are still under way"
        return ""

    def cut(self) -> None:
        """Reset both sides; what the tap holds back still goes through."""
        self.flush()
        self.record_end(True, "cut")
        self.abort()

    def forgotten(self) -> None:
        self.tap.forget(self)
        if self.server is not None:
            links.pop(self.server.ports, None)


def _name(event: Event) -> str:
    """The lane that a client asks for with `?name=` in its request, else "Client"."""
    if event.kind is Kind.REQUEST:
        path = event.headline.partition(" ")[2]
        if names := parse_qs(urlsplit(path).query).get("name"):
            return "".join(c for c in names[0] if c.isprintable())[:24] or "Client"
    return "Client"
