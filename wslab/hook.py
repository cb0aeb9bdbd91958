"""A hook in the server's own connections that records: thousands of them, without a tap between.

It sits where the library has parsed a frame (`recv_frame`) and where it serialises one (`send_frame`), and appends the
first KiB to the journals that are open (`journal`); heads, ends of TCP and bytes that are no frame are records of their
own. `replay` makes events of them.

Rules of this file: nothing changes for the handler; what a frame costs is counted in microseconds.
"""

from __future__ import annotations

import itertools
import re
from asyncio import current_task
from time import perf_counter_ns
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.server import ServerProtocol

from .cause import Link, current_turn
from .journal import FIRST, KEEP, LENGTH, MANY, MOST, OWN, PLAIN, UP, Journal, NumberedLink, What
from .linked import LinkedConnection
from .masking import payload_start
from .naming import CLIENT, Names, split, wish

END = b"\r\n\r\n"
MIDDLE = "the bytes end in the middle"

_NUMBERED = re.compile(rf"{CLIENT}( \d+)?")


class HookLink(NumberedLink):
    """A link that says nothing of what the handler takes, which would cost more than the frames."""

    def took(self) -> None:
        self.begin(self.taken)
        self.taken += 1


class Hook:
    """Stands where a server's tap would; `journals` are those of the recordings that are open."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.journals: tuple[Journal, ...] = ()
        self._unnamed = itertools.count(1)
        self._names = Names(server, None)
        self._open: set[str] = set()

    def __call__(self, *args: Any, **kwargs: Any) -> HookConnection:
        return HookConnection(self, *args, **kwargs)

    def begin(self, journal: Journal) -> None:
        """From now on append to `journal`, too."""
        self.journals = (*self.journals, journal)

    def finish(self, journal: Journal) -> None:
        """End what `begin` began; ending twice does no harm."""
        self.journals = tuple(other for other in self.journals if other is not journal)

    def call(self, link: Link, wanted: str) -> None:
        """Name a connection by its client's wish, without one by its number, which is never given again."""
        if _NUMBERED.fullmatch(wanted):
            number = next(self._unnamed)
            link.name = CLIENT if number == 1 else f"{CLIENT} {number}"
        else:
            self._names.call(link, wanted, self._open)
            self._open.add(link.name)

    def forget(self, link: Link) -> None:
        """A connection has ended: its name is free."""
        self._open.discard(link.name)


class Wire:
    """How far the bytes of one connection were read: at `start` in `chunk` that begins which is no event yet."""

    __slots__ = ("asked", "begun", "chunk", "deaf", "hook", "left", "messages", "start")

    def __init__(self, hook: Hook) -> None:
        self.hook = hook
        self.start = self.messages = 0
        self.chunk = self.begun = b""  # what has just come, and the beginning of what began before it
        self.asked = self.deaf = self.left = False

    def first(self, start: int, end: int, most: int) -> bytes:
        """The bytes from `start` to `end`, at most so many."""
        size = min(end - start, most)
        if start >= 0:
            return self.chunk[start : start + size]
        return self.begun + self.chunk[: max(0, size - len(self.begun))]

    def rest(self) -> None:
        """Let go of the chunk, but for the beginning of what is not whole."""
        end = len(self.chunk)
        if self.deaf or self.start == end:
            self.start, self.begun = 0, b""
        else:
            self.begun = self.first(self.start, end, FIRST if self.asked else MOST)
            self.start -= end
        self.chunk = b""


class HookProtocol(ServerProtocol):
    """The library's protocol, which tells its connection."""

    connection: HookConnection

    def recv_frame(self, frame: Frame) -> None:
        connection = self.connection
        wire = connection.wire
        if not wire.asked:  # the client has not waited for the answer
            connection.asks()
        start, end = wire.start, len(wire.chunk) - len(self.reader.buffer)
        wire.start = end
        if journals := wire.hook.journals:
            data = wire.chunk[start:end] if start >= 0 and end - start <= FIRST else wire.first(start, end, FIRST)
            flags = UP
            if self.extensions:
                flags, data = _inflated(flags, frame, data)
            for journal in journals:
                notes = journal.notes
                notes.extend((flags, perf_counter_ns(), connection.link, wire.messages, data, None, 0))
                if len(notes) >= MANY:
                    journal.flush()
        if frame.opcode < 8:
            wire.messages += frame.fin
        elif frame.opcode is Opcode.CLOSE:
            wire.deaf = True
        try:
            ServerProtocol.recv_frame(self, frame)
        except Exception:  # it is no valid one here, and ends the connection
            wire.deaf = True
            raise

    def send_response(self, response: Response) -> None:
        before = len(self.writes)
        super().send_response(response)
        self.connection.answers(self.writes[before])

    def fail(self, code: int, reason: str = "") -> None:
        self.connection.fails(code, reason)
        super().fail(code, reason)


class HookConnection(LinkedConnection):
    """The library's connection, recorded."""

    protocol: HookProtocol

    def __init__(self, hook: Hook, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.link: HookLink = HookLink()
        self.wire = Wire(hook)
        self.protocol.__class__ = HookProtocol  # the library makes it; methods of its own for each would cost 3 KB
        self.protocol.connection = self

    def data_received(self, data: bytes) -> None:
        wire = self.wire
        wire.chunk = data
        super().data_received(data)
        if not wire.asked:
            if self.request is not None:
                self.asks()
            elif self.protocol.handshake_exc is not None:
                self._unread(str(self.protocol.handshake_exc))
        wire.rest()

    def sends(self, frame: Frame) -> None:
        link, protocol = self.link, self.protocol
        ServerProtocol.send_frame(protocol, frame)
        if journals := self.wire.hook.journals:
            data, flags, count = protocol.writes[-1][:FIRST], 0, 0
            if (turn := current_turn()) is not None:
                count = turn.count
                turn.count += 1
                if turn.link.handler is current_task(self.loop):
                    flags = OWN
            if protocol.extensions:
                flags, data = _inflated(flags, frame, data)
            for journal in journals:
                notes = journal.notes
                notes.extend((flags, perf_counter_ns(), link, link.sent, data, turn, count))
                if len(notes) >= MANY:
                    journal.flush()
        link.sent += 1

    def answers(self, response: bytes) -> None:
        """The library answers the opening request."""
        if not self.wire.asked:
            self._unread(str(self.protocol.handshake_exc))
        self._add(What.HEAD, False, response)

    def fails(self, code: int, reason: str = "") -> None:
        """The library gives the connection up: what it could not read is no frame."""
        if not self.wire.asked and self.protocol.events:
            self.asks()
        if self.wire.chunk or code == 1006:
            self._unread(reason if self.wire.chunk else MIDDLE)
        self.wire.deaf = True

    def eof_received(self) -> None:
        self.wire.left = not self.protocol.eof_sent
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unread(MIDDLE)
        ended = self.wire.left or self.protocol.eof_sent
        self._add(What.END, exc is not None or self.wire.left, b"", "FIN" if ended and exc is None else "RST")
        self.wire.hook.forget(self.link)

    def asks(self) -> None:
        """The opening request is there, up to its empty line: the client says what it wants to be called."""
        wire, end = self.wire, len(self.wire.chunk)
        wire.asked = True
        head, found, _ = wire.first(wire.start, end, MOST).partition(END)
        self.wire.hook.call(self.link, wish(split(head.split(b" ", 2)[1].decode("iso-8859-1"))))
        self._add(What.HEAD if found else What.INVALID, True, head + found)
        wire.start = wire.start + len(head + found) if found else end - len(self.protocol.reader.buffer)

    def _unread(self, reason: str) -> None:
        """Bytes came that are no request and no frame: record them, if they are not recorded yet."""
        wire, end = self.wire, len(self.wire.chunk)
        if not wire.deaf and wire.start < end:
            if not wire.asked:
                wire.hook.call(self.link, CLIENT)
            self._add(What.INVALID, True, wire.first(wire.start, end, FIRST), reason)
            wire.deaf = True

    def _add(self, what: What, up: bool, data: bytes, note: str = "") -> None:
        for journal in self.wire.hook.journals:
            journal.add(what, up, self.link, data, note)


def _inflated(flags: int, frame: Frame, data: bytes) -> tuple[int, bytes]:
    """A frame of a compressed connection, with its payload as it is inflated: later that cannot be done."""
    if frame.opcode >= 8:
        return flags, data
    return flags | PLAIN, LENGTH.pack(len(frame.data)) + data[: payload_start(data)] + bytes(frame.data[:KEEP])
