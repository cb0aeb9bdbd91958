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
import socket
import struct
from collections import deque
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from .cause import Link, links
from .decode import Decoder
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
        self._delay_s = 0.0
        self._random: random.Random | None = None
        if seed := os.environ.get("WSLAB_SHAKE"):
            self.shake(int(seed))

    async def start(self) -> Tap:
        """Listen on a free port of 127.0.0.1; returns the tap itself."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Side(TapConnection(self)), "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    def close(self) -> None:
        """Stop listening and end what is still open."""
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.abort()

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

    def pending(self) -> str:
        """Why the tap is not quiet, or an empty string."""
        for connection in self.connections:
            if reason := connection.pending():
                return reason
        return ""

    def dial(self, side: _Side) -> asyncio.Task[object]:
        """Start to connect `side` to the server."""
        return asyncio.ensure_future(asyncio.get_running_loop().create_connection(lambda: side, *self._target))

    def unused_name(self, name: str) -> str:
        """`name`, or the first of "name 2", "name 3", … that no open connection has."""
        taken = {connection.link.name for connection in self.connections}
        return next(n for i in range(1, 10**6) if (n := name if i == 1 else f"{name} {i}") not in taken)

    def _named(self, name: str | None) -> list[TapConnection]:
        return [c for c in self.connections if name is None or c.link.name == name]


class TapConnection:
    """One client's TCP connection and the one that the tap dialled for it."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.decoder = Decoder()
        self.link = Link(name="")
        self.lost = False
        self._number = 0
        self._named = False
        self._ended = False
        self._dialling: asyncio.Task[object] | None = None
        self.client: _Side | None = None
        self.server: _Side | None = None

    def accepted(self, side: _Side) -> None:
        """The client is there: dial the server, and read nothing before that has answered."""
        self.client = side
        self.tap.connections.add(self)
        side.transport.pause_reading()
        self._dialling = self.tap.dial(_Side(self, up=False))
        self._dialling.add_done_callback(lambda task: task.cancelled() or (task.exception() and self.abort()))

    def dialled(self, side: _Side) -> None:
        self.server = side
        assert self.client is not None
        self.client.peer, side.peer = side, self.client
        links[side.transport.get_extra_info("sockname")[1]] = self.link
        if self.client.transport.is_closing():
            side.transport.abort()
        else:
            self.client.transport.resume_reading()

    def record(self, up: bool, data: bytes) -> None:
        """Decode a chunk and publish what it completed."""
        try:
            for event in self.decoder.feed(up, data):
                self._publish(event)
        except Exception as exc:  # the relay goes on whatever the decoder meets
            self._publish(Event(kind=Kind.INVALID, up=up, raw=data, note=f"not decoded: {type(exc).__name__}"))

    def record_end(self, up: bool, note: str) -> None:
        """Publish the end of TCP, once, by whichever side ended it first."""
        for event in self.decoder.end(up):
            self._publish(event)
        if not self._ended:
            self._ended = True
            self._publish(Event(kind=Kind.END, up=up, note=note))

    def _publish(self, event: Event) -> None:
        if not self._named:
            self._named = True
            self.link.name = self.tap.unused_name(_name(event))
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
        if self._dialling is not None and not self._dialling.done():
            return f"the tap is still dialling for {self.link.name or 'a client'}"
        for side in (self.client, self.server):
            if side is not None and side.busy():
                return f"bytes of {self.link.name or 'a client'} are still under way"
        return ""

    def cut(self) -> None:
        """Reset both sides."""
        self.record_end(True, "cut")
        self.abort()

    def abort(self) -> None:
        """Reset what is still open."""
        for side in (self.client, self.server):
            if side is not None:
                side.reset()
        self.forget()

    def forget(self) -> None:
        """Drop the connection once both sides are gone."""
        if all(side is None or side.gone for side in (self.client, self.server)):
            self.tap.connections.discard(self)
            if self.server is not None:
                links.pop(self.server.port, None)


class _Side(asyncio.Protocol):
    """One of the two sockets of a connection; what it reads goes to `peer`, after its wait, in order."""

    transport: asyncio.Transport

    def __init__(self, connection: TapConnection, up: bool = True) -> None:
        self.connection = connection
        self.up = up
        self.peer: _Side | None = None
        self.port = 0
        self.gone = False
        self.ended = False
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        (self.connection.accepted if self.up else self.connection.dialled)(self)

    def data_received(self, data: bytes) -> None:
        self._arrive(data)

    def eof_received(self) -> bool:
        self._arrive(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if self._timer is not None:
            self._timer.cancel()
        while self._queue:  # what was read before the end still counts
            self._pass(self._queue.popleft()[1])
        if exc is not None:
            self.connection.record_end(self.up, "RST")
            if self.peer is not None:
                self.peer.reset()
        elif self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.close()
        self.connection.forget()

    def pause_writing(self) -> None:
        if self.peer is not None and not self.peer.gone:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and not self.peer.gone:
            self.peer.transport.resume_reading()

    def busy(self) -> bool:
        """Is something read and not yet passed on?"""
        return bool(self._queue) or (not self.gone and self.transport.get_write_buffer_size() > 0)

    def reset(self) -> None:
        """End this socket with RST: a plain `abort()` may send FIN instead."""
        if self.gone or self.transport.is_closing():
            return
        sock: socket.socket = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _arrive(self, data: bytes | None) -> None:
        wait = self.connection.tap.hold()
        if not wait and not self._queue:
            self._pass(data)
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time() + wait, self._queue[-1][0] if self._queue else 0.0)
        self._queue.append((due, data))
        if self._timer is None:
            self._timer = loop.call_at(due, self._release)

    def _release(self) -> None:
        self._timer = None
        self._pass(self._queue.popleft()[1])
        if self._queue:
            self._timer = asyncio.get_running_loop().call_at(self._queue[0][0], self._release)

    def _pass(self, data: bytes | None) -> None:
        connection, peer = self.connection, self.peer
        if data is None:
            self.ended = True
            if connection.lost or peer is None:
                return
            connection.record_end(self.up, "FIN")
            if peer.ended:
                self.transport.close()
                peer.transport.close()
            elif not peer.transport.is_closing():
                peer.transport.write_eof()
            return
        connection.record(self.up, data)
        if peer is not None and not connection.lost and not peer.transport.is_closing():
            peer.transport.write(data)


def _name(event: Event) -> str:
    """The lane that a client asks for with `?name=` in its request, else "Client"."""
    if event.kind is Kind.REQUEST:
        path = event.headline.partition(" ")[2]
        if names := parse_qs(urlsplit(path).query).get("name"):
            return "".join(c for c in names[0] if c.isprintable())[:24] or "Client"
    return "Client"
