"""A relay between client and server that records: bytes in, the same bytes out, events beside.

`Tap.start` listens on a free port of 127.0.0.1 and dials the server for every client. Each chunk is recorded before
it is passed on, so the order in a trace is the order at the tap. The tap is also the fault injector: `cut`,
`blackhole`, `idle`, `delay`, `shake`.

Rules of this file: bytes are never changed, and an exception in decoding never stops the relay.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import replace

from .backplane import GREETING, NatsDecoder
from .cause import Link, links
from .decode import Decoder
from .errors import say
from .naming import Names
from .relay import Relay, Side
from .trace import FRAMES, Event, Kind, Why, publish

SHAKE_S = 0.012


class Tap:
    """The relay in front of one server.

    Args:
        host, port: Where the server is; may change later, in `target`.
        server: The name of the server's lane.
        client: The lane of a balancer or a server that connects here, instead of the clients. Behind a balancer a
            connection keeps the name that it has in front of it, and health checks are keepalive.

    Faults apply to every connection, or to the one called `name`.
    """

    def __init__(self, host: str, port: int, *, server: str = "Server", client: str | None = None) -> None:
        self.server, self.client = server, client
        self.port = 0
        self.target = host, port
        self.connections: set[TapConnection] = set()
        self._listener: asyncio.Server | None = None
        self._closed = False
        self._empty: asyncio.Future[None] | None = None
        self.idle_s: float | None = None
        self._names = Names(server, client)
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

    def idle(self, seconds: float | None) -> None:
        """Cut whatever no byte crosses for `seconds`, as the time-out of many a proxy does; `None` ends it."""
        self.idle_s = seconds
        for connection in list(self.connections):
            connection.wait_for_bytes(seconds)

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for `seconds` before it is recorded and passed on."""
        self._delay_s = seconds

    def shake(self, seed: int | None) -> None:
        """Hold every chunk back for a random time up to 12 ms, order kept; `None` ends it.

        A FIN is not held back longer than the bytes before it: who has read those may end TCP too, and which end comes
        first would be left to chance.
        """
        self._random = None if seed is None else random.Random(f"{seed}")

    def hold(self, *, end: bool = False) -> float:
        """How long the next chunk, or the end of a direction, has to wait, in seconds."""
        return self._delay_s + (self._random.uniform(0, SHAKE_S) if self._random and not end else 0.0)

    def transports(self) -> list[asyncio.Transport]:
        """What is open on both sides, health checks left out."""
        real = [connection for connection in list(self.connections) if not connection.health]
        return [side.transport for connection in real for side in connection.sides]

    def pending(self) -> str:
        """Why the tap is not quiet, or an empty string."""
        for connection in list(self.connections):  # asked from other threads, too
            if reason := connection.pending():
                return reason
        return ""

    async def dial(self, side: Side) -> object:
        """Connect `side` to the server."""
        return await asyncio.get_running_loop().create_connection(lambda: side, *self.target)

    def name(self, connection: TapConnection, event: Event) -> bool:
        """Name `connection` by the first `event` on it; is it a connection at all, rather than a health check?"""
        # Whose client has ended is over, even if the tap still holds back the news: a client may come back at once.
        taken = {other.link.name for other in self.connections if not (other.client_left or other.health)}
        return self._names.give(connection.link, event, connection.decoder, taken)

    def _named(self, name: str | None) -> list[TapConnection]:
        return [c for c in self.connections if name is None or c.link.name == name]


class TapConnection(Relay):
    """One client's connection through a tap."""

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self.tap = tap
        self.decoder: Decoder | NatsDecoder | None = None
        self.link = Link(name="", tapped=True)
        self.health = tap.client is not None  # behind a balancer: it asks for health, until the first bytes are others
        self.closing = False
        self.frames = {True: 0, False: 0}  # of each direction, up to the first close frame
        self._number = 0
        self._named = self._ended = self._broken = False
        self.idle_s = tap.idle_s

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

    def hold(self, *, end: bool = False) -> float:
        return self.tap.hold(end=end)

    def record(self, up: bool, data: bytes | None) -> None:
        if self._broken:
            return
        if self.decoder is None:  # over HTTP no server speaks first
            greeted = data and not up and GREETING.startswith(data[: len(GREETING)])
            self.decoder = NatsDecoder() if greeted else Decoder()
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
            # Having read such an answer a client may be quicker: whose FIN comes first then says nothing.
            announced = note == "FIN" and isinstance(self.decoder, Decoder) and self.decoder.server_ends
            self._publish(Event(kind=Kind.END, up=up and not announced, note=note))

    def _publish(self, event: Event) -> None:
        if not self._named:
            self._named = True
            self.health = not self.tap.name(self, event)
            if isinstance(self.decoder, NatsDecoder):
                links[self.link.name, self.decoder.client] = self.link
        name, server, near = self.link.name, self.tap.server, self.tap.client or self.link.name
        source, target = (near, server) if event.up else (server, near)
        # The library's keepalive sends four random bytes; a ping that a lesson sends carries a text of its own.
        ping = event.kind in (Kind.PING, Kind.PONG) and event.length == 4
        cause, origin = self.link.explained(event)
        placed = replace(
            event,
            source=source,
            target=target,
            connection=name,
            life=self.link.life,
            tap=server,
            number=self._number,
            cause=cause,
            origin=origin,
            lost=self.lost,
            keepalive=event.keepalive or ping or self.health,
        )
        self._number += 1
        self.closing |= event.kind is Kind.CLOSE
        self.frames[event.up] += event.kind in FRAMES and not self.closing
        publish(placed)
        if cause is not None and placed.key is not None and placed.relayed:
            publish(Why(placed.key, cause))  # in front of the balancer the same frame has the same cause

    def pending(self) -> str:
        """Why this connection is not quiet, or an empty string."""
        if self.health:
            return ""
        who = self.link.name or say("a client")
        if self.dialling:
            return say("the tap is still dialling for {client}", client=who)
        if self.half_closed:
            return say("the connection of {client} is half closed", client=who)
        if any(side.busy() for side in self.sides):
            return say("bytes of {client} are still under way", client=who)
        return ""

    def forgotten(self) -> None:
        self.tap.forget(self)
        if self.server is not None:
            links.pop(self.server.ports, None)
        if isinstance(self.decoder, NatsDecoder):
            links.pop((self.link.name, self.decoder.client), None)
