"""Records of what crossed thousands of connections: bytes appended to segments, within a budget of memory.

A record is a header and the first bytes of a frame, a head or an end of TCP. Where the budget is used up the oldest
segment goes as a whole, so that every record that is left is whole, and can be read without those before it.

Rules of this file: no I/O; one thread writes, any may read. Bytes are kept as they crossed: who reads them masks them.
"""

from __future__ import annotations

import itertools
import struct
import threading
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from time import perf_counter_ns
from typing import Any, NamedTuple

from .cause import Link
from .trace import Cause

KEEP = 1 << 10  # bytes of a payload
FIRST = KEEP + 14  # with the longest header (RFC 6455 5.2)
BUDGET = 32 << 20
SEGMENT = 1 << 16
ENTRY = 256  # what it costs to know a connection by its number

HEADER = struct.Struct("<BHIIIH")  # what, step, ticks since the journal began, connection, ordinal, size
CAUSE = struct.Struct("<IiI")  # connection, message, turn
LENGTH = struct.Struct("<I")
_CAUSED = struct.Struct(HEADER.format + CAUSE.format[1:])
STEPS = 0xFFFF
TICK, LAST = 13, (1 << 32) - 1  # a tick are 2¹³ nanoseconds; they begin anew after ten hours
MANY = 7 * 128  # notes of so many records
MOST, NOTE = 0xFFFF, 200  # bytes in one record, and of a note in it


class What(IntEnum):
    """What a record holds; the flags below are added to it."""

    FRAME, HEAD, INVALID, END = range(4)


UP, PLAIN, CAUSED, OWN = 4, 8, 16, 32  # to the server; its payload was inflated; a cause is known, of the handler's own


@dataclass(eq=False)
class NumberedLink(Link):
    """A connection's link, with a number that no other has."""

    number: int = field(default_factory=itertools.count(1).__next__)


class Record(NamedTuple):
    """One record, read: `place` grows from one to the next.

    `length` is that of an inflated payload, which the wire does not tell.
    """

    place: int
    what: What
    up: bool
    step: int
    at: float
    link: NumberedLink
    ordinal: int
    data: bytes
    note: str
    length: int | None
    cause: Cause | None


class Journal:
    """What one hook saw for one recording, at most `budget` bytes of it.

    A hook extends `notes` by the seven things that `flush` takes for a record, and calls that when there are `MANY`: to
    make the bytes of many records at once costs half as much.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self.notes: list[Any] = []
        self._links: dict[int, NumberedLink] = {}  # the connections of which there is a record, by their numbers
        self._step = 0
        self._stepped = 0  # where the step began
        self._size = min(SEGMENT, budget // 8)
        self._segment = bytearray()
        self._full: deque[tuple[bytes, list[int]]] = deque()  # with the connections that ended in it
        self._ended: list[int] = []
        self._heads: dict[bool, bytes] = {}  # the first of each direction: of the others what differs from it is kept
        self._kept = self._dropped = 0  # bytes in full segments, and in those that are gone
        self._began = perf_counter_ns()
        self._lock = threading.RLock()

    @property
    def used(self) -> int:
        """How many bytes it holds, with what it costs to know the connections."""
        return self._kept + len(self._segment) + ENTRY * len(self._links)

    @property
    def seen(self) -> int:
        """How many bytes there ever were: it grows with every record."""
        self.flush()
        return self._dropped + self._kept + len(self._segment)

    @property
    def stepped(self) -> bool:
        """Did anything happen in the step that goes on?"""
        return self.seen > self._stepped

    def begin_step(self, step: int) -> None:
        """What comes from now on belongs to `step`."""
        self._stepped = self.seen
        self._step = min(step, STEPS)

    def add(self, what: What, up: bool, link: NumberedLink, data: bytes, note: str = "") -> None:
        """Append what is no frame, with a note on it."""
        flags, noted = what | (UP if up else 0), note.encode()[:NOTE]
        data = data[: min(MOST, self._size) - len(noted)]
        if what is What.HEAD and self._heads.setdefault(up, data) is not data:
            deflate = zlib.compressobj(1, wbits=-15, memLevel=1, zdict=self._heads[up])
            flags, data = flags | PLAIN, deflate.compress(data) + deflate.flush()
        self.notes.extend((flags, perf_counter_ns(), link, len(noted), noted + data, None, 0))
        if what is What.END:
            self.flush()
            self._ended.append(link.number)

    def flush(self) -> None:
        """Make records of the notes.

        Each is: flags, the time in nanoseconds, the link, the ordinal, the first bytes on the wire, and where it is
        known the turn in which the frame was sent, and how much came before it in that.
        """
        with self._lock:
            notes = self.notes[:]
            del self.notes[: len(notes)]
            taken = iter(notes)
            began, step, segment = self._began, self._step, self._segment
            for flags, when, link, ordinal, data, turn, count in zip(*[taken] * 7, strict=True):
                ticks, number = when - began >> TICK & LAST, link.number
                if turn is not None and isinstance(turn.link, NumberedLink):
                    cause = turn.link.number, turn.message, count
                    segment += _CAUSED.pack(flags | CAUSED, step, ticks, number, ordinal, len(data), *cause)
                else:
                    segment += HEADER.pack(flags & ~OWN, step, ticks, number, ordinal, len(data))
                segment += data
                self._links[number] = link
                if len(segment) >= self._size or self.used > self.budget:
                    self._roll()
                    segment = self._segment

    def __iter__(self) -> Iterator[Record]:
        self.flush()
        with self._lock:
            segments = [*(data for data, _ in self._full), bytes(self._segment)]
            at, links = self._dropped, dict(self._links)
        for segment in segments:
            yield from self._read(segment, at, links)
            at += len(segment)

    def _read(self, segment: bytes, place: int, links: Mapping[int, NumberedLink]) -> Iterator[Record]:
        at = 0
        while at < len(segment):
            start = at
            flags, step, ticks, number, ordinal, size = HEADER.unpack_from(segment, at)
            at += HEADER.size
            cause, length = None, None
            if flags & CAUSED:
                asker, message, turn = CAUSE.unpack_from(segment, at)
                at += CAUSE.size
                if (link := links.get(asker)) is not None:
                    cause = Cause(link.name, message, turn, link.life, bool(flags & OWN))
            data, at = segment[at : at + size], at + size
            what, up, note = What(flags & 3), bool(flags & UP), ""
            if what is What.FRAME and flags & PLAIN:
                (length,) = LENGTH.unpack_from(data)
                data = data[LENGTH.size :]
            if what is not What.FRAME:  # it has no ordinal: that is where the note ends
                note, data, ordinal = data[:ordinal].decode("utf-8", "replace"), data[ordinal:], 0
            if what is What.HEAD and flags & PLAIN:
                data = zlib.decompressobj(-15, zdict=self._heads[up]).decompress(data)
            when = (self._began + (ticks << TICK)) / 1e9
            yield Record(place + start, what, up, step, when, links[number], ordinal, data, note, length, cause)

    def _roll(self) -> None:
        """Begin a new segment, and drop the oldest ones until the next fits into the budget."""
        self._full.append((bytes(self._segment), self._ended))
        self._kept += len(self._segment)
        self._segment, self._ended = bytearray(), []
        while self._full and self.used + 2 * self._size > self.budget:
            data, ended = self._full.popleft()
            self._kept -= len(data)
            self._dropped += len(data)
            for number in ended:  # that was its last record
                self._links.pop(number, None)
