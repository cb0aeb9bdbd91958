"""Two sockets joined: bytes in at one, the same bytes out of the other, after their wait and in order.

Rules of this file: bytes are never changed, and no more is read than the other side takes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque

HELD_BYTES = 1 << 18  # what a side may hold back before it stops reading


class Relay:
    """A client's TCP connection and the one that was dialled to the server for it.

    A subclass says what happens beside the relaying: `dial`, `hold`, `record`, `record_end`, `forgotten`. While `lost`,
    every byte vanishes. After `idle_s` seconds without a byte it is cut.
    """

    def __init__(self) -> None:
        self.lost = False
        self.idle_s: float | None = None
        self._timeout: asyncio.TimerHandle | None = None
        self.client: Side | None = None
        self.server: Side | None = None
        self._dialling: asyncio.Task[object] | None = None

    @property
    def sides(self) -> list[Side]:
        """The sides that are there and not gone, the client's first."""
        return [side for side in (self.client, self.server) if side is not None and not side.gone]

    @property
    def client_left(self) -> bool:
        """Has the client ended its side, whether that was passed on or not?"""
        return self.client is not None and (self.client.left or self.client.gone)

    @property
    def half_closed(self) -> bool:
        """Has one side sent FIN, and the other not yet?"""
        return not self.lost and len({side.left for side in self.sides}) == 2

    @property
    def dialling(self) -> bool:
        """Is the server still being connected to?"""
        return self._dialling is not None and not self._dialling.done()

    def accepted(self, side: Side) -> None:
        """The client is there: dial the server, and read nothing before that has answered."""
        self.client = side
        self.wait_for_bytes(self.idle_s)
        side.transport.pause_reading()
        self._dialling = asyncio.ensure_future(self.dial(Side(self, up=False)))
        self._dialling.add_done_callback(self._dialled)

    def dialled(self, side: Side) -> None:
        """The server is there: begin to relay."""
        self.server = side
        assert self.client is not None
        self.client.peer, side.peer = side, self.client
        if self.client.gone:
            side.reset()
        else:
            self.client.transport.resume_reading()

    def _dialled(self, dialling: asyncio.Task[object]) -> None:
        if not dialling.cancelled() and dialling.exception() is not None:
            self.record_end(False, "RST")
            self.abort()

    def flush(self) -> None:
        """Pass on what both sides hold back."""
        for side in (self.client, self.server):
            if side is not None:
                side.flush()

    def wait_for_bytes(self, idle_s: float | None, halves: int = 2) -> None:
        """From now on wait `idle_s` seconds for the next byte, in two halves: a loop that stood still is no silence."""
        self.idle_s = idle_s
        if self._timeout is not None:
            self._timeout.cancel()
        then = (self.wait_for_bytes, idle_s, 1) if halves == 2 else (self.cut,)
        self._timeout = None if idle_s is None else asyncio.get_running_loop().call_later(idle_s / 2, *then)

    def cut(self) -> None:
        """Reset both sides; what is held back still goes through."""
        self.flush()
        self.record_end(True, "cut")
        self.abort()

    def abort(self) -> None:
        """Reset what is still open."""
        if self._dialling is not None:
            self._dialling.cancel()
        for side in self.sides:
            side.reset()
        self.forget()

    def forget(self) -> None:
        """Call `forgotten` once both sides are gone."""
        if not self.sides:
            self.wait_for_bytes(None)
            self.forgotten()

    async def dial(self, side: Side) -> object:
        """Connect `side` to the server."""
        raise NotImplementedError

    def hold(self, *, end: bool = False) -> float:
        """How long the next chunk, or the end of a direction, has to wait, in seconds."""
        return 0.0

    def record(self, up: bool, data: bytes | None) -> None:
        """A chunk, or the end of a direction, is about to be passed on."""

    def record_end(self, up: bool, note: str) -> None:
        """One side ended TCP, with "FIN" or "RST"."""

    def forgotten(self) -> None:
        """Both sides are gone."""


class Side(asyncio.Protocol):
    """One of the two sockets of a connection; what it reads goes to `peer`, after its wait, in order."""

    transport: asyncio.Transport

    def __init__(self, connection: Relay, up: bool = True) -> None:
        self.connection = connection
        self.up = up
        self.peer: Side | None = None
        self.ports = (0, 0)
        self.left = False  # it has sent FIN
        self.ended = False  # and that was passed on
        self.gone = False
        self.full = False  # it does not take what is written to it
        self._held = 0
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.ports = (transport.get_extra_info("sockname")[1], transport.get_extra_info("peername")[1])
        (self.connection.accepted if self.up else self.connection.dialled)(self)

    def data_received(self, data: bytes) -> None:
        self._arrive(data)

    def eof_received(self) -> bool:
        self.left = True
        self._arrive(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        connection, peer = self.connection, self.peer
        connection.flush()  # what was read before the end still counts
        if exc is not None:
            connection.record_end(self.up, "RST")
            if peer is not None and not connection.lost:
                peer.reset()
        elif peer is not None and not peer.gone and not connection.lost:
            peer.transport.close()
        connection.forget()

    def pause_writing(self) -> None:
        self.full = True
        if self.peer is not None:
            self.peer.throttle()

    def resume_writing(self) -> None:
        self.full = False
        if self.peer is not None:
            self.peer.throttle()

    def throttle(self) -> None:
        """Read no more while the other side does not take it, or while too much is held back."""
        if self.gone or self.peer is None:
            return
        if self.peer.full or self._held > HELD_BYTES:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def busy(self) -> bool:
        """Is something read and not yet passed on?"""
        return bool(self._queue) or (not self.gone and self.transport.get_write_buffer_size() > 0)

    def reset(self) -> None:
        """End this socket with RST: a plain `abort()` may send FIN instead."""
        if self.gone:
            return
        sock: socket.socket = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def flush(self) -> None:
        """Pass on at once what is held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue:
            self._pass_next()

    def _arrive(self, data: bytes | None) -> None:
        self.connection.wait_for_bytes(self.connection.idle_s)
        wait = self.connection.hold(end=data is None)
        if not wait and not self._queue:
            self._pass(data)
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time() + wait, self._queue[-1][0] if self._queue else 0.0)
        self._queue.append((due, data))
        self._held += len(data or b"")
        self.throttle()
        if self._timer is None:
            self._timer = loop.call_at(due, self._release)

    def _release(self) -> None:
        self._timer = None
        self._pass_next()
        if self._queue:
            self._timer = asyncio.get_running_loop().call_at(self._queue[0][0], self._release)

    def _pass_next(self) -> None:
        data = self._queue.popleft()[1]
        self._held -= len(data or b"")
        self._pass(data)
        self.throttle()

    def _pass(self, data: bytes | None) -> None:
        connection, peer = self.connection, self.peer
        assert peer is not None  # nothing is read before the server was dialled
        if data is not None:
            connection.record(self.up, data)
            if not connection.lost and not peer.transport.is_closing():
                peer.transport.write(data)
            return
        self.ended = True
        connection.record_end(self.up, "FIN")
        if peer.ended or peer.gone:
            self.transport.close()
            peer.transport.close()
        elif not connection.lost and not peer.transport.is_closing():
            peer.transport.write_eof()
