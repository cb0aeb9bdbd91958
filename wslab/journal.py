"""Records of what crossed thousands of connections: columns of bytes in blocks, within a budget of memory.

A record is a few numbers and the first bytes of a frame, a head or an end of TCP. Where the budget is used up the
oldest block goes as a whole, so that every record that is left is whole, and can be read without those before it.

Rules of this file: no I/O; one thread writes, any may read. Bytes are kept as they crossed: who reads them masks them.
"""

from __future__ import annotations

import itertools
import struct
import threading
import zlib
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from time import perf_counter_ns
from typing import Any, NamedTuple

from .cause import Link
from .trace import Cause

KEEP = 1 << 10  # bytes of a payload
FIRST = KEEP + 14  # with the longest header (RFC 6455 5.2)
BUDGET = 32 << 20
ENTRY, BLOCK = 256, 64  # what it costs to know a connection by its number, and to have a block
FIELDS = 7  # of a note
MANY = FIELDS * 256  # notes of so many records become a block

LENGTH = struct.Struct("<I")
TYPES = "BQIIHIiI"  # of the columns: flags, times, numbers, ordinals, sizes; of the causes asker, message and turn
MOST, NOTE = 0xFFFF, 200  # bytes in one record, and of a note in it
WINDOW = -11  # of the compressor of heads: 2 KiB, raw


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


class Block(NamedTuple):
    """Records of one step: columns of `TYPES`, then the bytes; `ended` are connections that ended among them."""

    records: int
    causes: int
    step: int
    columns: bytes
    ended: list[int]


class Journal:
    """What one hook saw for one recording, at most `budget` bytes of it, and what is in `notes`.

    A hook extends `notes` by the seven things that `flush` takes for a record, and calls that when there are `MANY`: to
    make the bytes of many records at once costs a third.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self.notes: list[Any] = []
        self.dropped = 0
        self._links: dict[int, NumberedLink] = {}  # the connections of which there is a record, by their numbers
        self._step = 0
        self._stepped = 0  # how many records there were when the step began
        self._blocks: deque[Block] = deque()
        self._kept = self._bytes = 0  # in blocks: records, bytes
        self._ended: list[int] = []
        self._heads: dict[bool, bytes] = {}  # the first of each direction: of the others what differs from it is kept
        self._lock = threading.RLock()

    @property
    def used(self) -> int:
        """How many bytes the blocks hold, with what it costs to know the connections."""
        return self._bytes + ENTRY * len(self._links)

    @property
    def count(self) -> int:
        """How many records there ever were."""
        with self._lock:
            return self.dropped + self._kept + len(self.notes) // FIELDS

    @property
    def stepped(self) -> bool:
        """Did anything happen in the step that goes on?"""
        return self.count > self._stepped

    def begin_step(self, step: int) -> None:
        """What comes from now on belongs to `step`."""
        self.flush()
        self._step, self._stepped = step, self.count

    def add(self, what: What, up: bool, link: NumberedLink, data: bytes, note: str = "") -> None:
        """Append what is no frame, with a note on it."""
        flags, noted = what | (UP if up else 0), note.encode()[:NOTE]
        data = data[: MOST - NOTE]
        if what is What.HEAD and self._heads.setdefault(up, data) is not data:
            deflate = zlib.compressobj(1, wbits=WINDOW, memLevel=1, zdict=self._heads[up])
            flags, data = flags | PLAIN, deflate.compress(data) + deflate.flush()
        if what is What.END:
            self._ended.append(link.number)
        self.notes.extend((flags, perf_counter_ns(), link, len(noted), noted + data, None, 0))
        if len(self.notes) >= MANY:
            self.flush()

    def flush(self) -> None:
        """Make a block of the notes.

        Each is: flags, the time in nanoseconds, the link, the ordinal, the first bytes on the wire, and where it is
        known the turn in which the frame was sent, and how much came before it in that.
        """
        with self._lock:
            notes = self.notes[:]
            if not notes:
                return
            ended, self._ended = self._ended, []
            del self.notes[: len(notes)]
            flags, times, links, ordinals, data, turns, counts = (notes[field::FIELDS] for field in range(FIELDS))
            caused = [place for place, turn in enumerate(turns) if turn and isinstance(turn.link, NumberedLink)]
            for place in caused:
                flags[place] |= CAUSED
            asked = [turns[place] for place in caused]
            columns: tuple[Iterable[int], ...] = (
                flags,
                times,
                [link.number for link in links],
                ordinals,
                list(map(len, data)),
                [turn.link.number for turn in asked],
                [turn.message for turn in asked],
                [counts[place] for place in caused],
            )
            packed = b"".join([*(array(*column).tobytes() for column in zip(TYPES, columns, strict=True)), *data])
            self._links.update((link.number, link) for link in set(links))
            self._blocks.append(Block(len(flags), len(caused), self._step, packed, ended))
            self._kept += len(flags)
            self._bytes += len(packed) + BLOCK
            while self._blocks and self.used > self.budget:
                self._drop(self._blocks.popleft())

    def _drop(self, block: Block) -> None:
        self.dropped += block.records
        self._kept -= block.records
        self._bytes -= len(block.columns) + BLOCK
        for number in block.ended:  # that was its last record
            self._links.pop(number, None)

    def __iter__(self) -> Iterator[Record]:
        with self._lock:
            self.flush()
            blocks, place, links = list(self._blocks), self.dropped, dict(self._links)
        for block in blocks:
            yield from self._read(block, place, links)
            place += block.records

    def _read(self, block: Block, place: int, links: Mapping[int, NumberedLink]) -> Iterator[Record]:
        columns, at = [], 0
        for code, count in zip(TYPES, [block.records] * 5 + [block.causes] * 3, strict=True):
            column = array(code)
            end = at + count * column.itemsize
            column.frombytes(block.columns[at:end])
            columns.append(column)
            at = end
        flags, times, numbers, ordinals, sizes, *asked = columns
        causes = zip(*asked, strict=True)
        for flag, time, number, ordinal, size in zip(flags, times, numbers, ordinals, sizes, strict=True):
            cause, length, note = None, None, ""
            if flag & CAUSED:
                asker, message, turn = next(causes)
                if (link := links.get(asker)) is not None:
                    cause = Cause(link.name, message, turn, link.life, bool(flag & OWN))
            data, at = block.columns[at : at + size], at + size
            what, up = What(flag & 3), bool(flag & UP)
            if what is not What.FRAME:  # it has no ordinal: that is where the note ends
                note, data, ordinal = data[:ordinal].decode("utf-8", "replace"), data[ordinal:], 0
            elif flag & PLAIN:
                (length,), data = LENGTH.unpack_from(data), data[LENGTH.size :]
            if what is What.HEAD and flag & PLAIN:
                data = zlib.decompressobj(WINDOW, zdict=self._heads[up]).decompress(data)
            yield Record(place, what, up, block.step, time / 1e9, links[number], ordinal, data, note, length, cause)
            place += 1
