"""A journal's records in, the events that a tap would have seen out.

Each record is read by itself: of what lies before it, some may have been dropped. Secrets are masked as `decode` does;
the rest of a message whose beginning is not there is masked as a whole while any secret is registered.

Rules of this file: no I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from websockets.frames import Frame, Opcode

from .decode import Decoder, frame_event
from .journal import KEEP, Journal, Record, What
from .masking import longest_secret, mask_secrets, payload_start, remask, unmask
from .stream import Stream
from .trace import DATA, MAX_EVENTS, Event, Kind, Trace


class Hooked(Protocol):
    """What appends to journals: the hook in a server's connections."""

    server: str

    def begin(self, journal: Journal) -> None: ...

    def finish(self, journal: Journal) -> None: ...


class Journals:
    """What the hooks of several servers see for one recording."""

    def __init__(self, hooks: Iterable[Hooked]) -> None:
        self._kept = [(hook, Journal()) for hook in hooks]

    def begin(self) -> None:
        """From now on write down what the hooks see."""
        for hook, journal in self._kept:
            hook.begin(journal)

    def finish(self) -> None:
        """End what `begin` began; ending twice does no harm."""
        for hook, journal in self._kept:
            hook.finish(journal)

    @property
    def count(self) -> int:
        """How much was seen so far."""
        return sum(journal.count for _, journal in self._kept)

    def end_step(self, trace: Trace) -> None:
        """What comes from now on belongs to the next step of `trace`, if anything happened in this one."""
        journals = [journal for _, journal in self._kept]
        if any(journal.stepped for journal in journals) or any(event.step == trace.step for event in trace.events):
            trace.step += 1
            for journal in journals:
                journal.begin_step(trace.step)

    def merged(self, trace: Trace, connection: str | None = None) -> Trace:
        """`trace` with the newest events of the hooks, or with those of one connection."""
        if not self._kept:
            return trace
        events, full = list(trace.events), trace.full
        for hook, journal in self._kept:
            records = (record for record in journal if connection is None or record.link.name == connection)
            newest = deque(records, maxlen=MAX_EVENTS)
            full = full or len(newest) == MAX_EVENTS
            events += replay(newest, hook.server, trace.began)
        whole = Trace(sorted(events, key=lambda event: event.at))
        whole.takes, whole.step, whole.full = trace.takes, trace.step, full
        return whole


def replay(records: Iterable[Record], server: str, began: float = 0.0) -> Iterator[Event]:
    """The events of a journal's records, in seconds since `began`."""
    lines: dict[int, _Line] = {}
    for record in records:
        link = record.link
        for event, more in lines.setdefault(link.number, _Line()).tell(record):
            source, target = (link.name, server) if event.up else (server, link.name)
            yield replace(
                event,
                source=source,
                target=target,
                connection=link.name,
                life=link.life,
                tap=server,
                number=record.place,
                step=record.step,
                at=record.at - began,
                cause=record.cause,
                **more,
            )


class _Line:
    """One connection, as far as its records follow on one another."""

    def __init__(self) -> None:
        self._decoder: Decoder | None = None  # of heads
        self._streams = {True: Stream(True), False: Stream(False)}
        self._known = {True: False, False: False}  # is all there that the next fragment continues?

    def tell(self, record: Record) -> Iterable[tuple[Event, dict[str, Any]]]:
        """The events of a record, each with those of its fields that are to be replaced."""
        if record.what is What.FRAME:
            return [self._frame(record)]
        if record.what is What.HEAD:
            self._decoder = self._decoder or Decoder()
            return [(event, {}) for event in self._decoder.feed(record.up, record.data)]
        if record.what is What.END:
            return [(Event(kind=Kind.END, up=record.up, note=record.note), {})]
        raw = mask_secrets(record.data, head=True, body=True, more=True)
        if len(record.data) > 1:
            raw = self._streams[record.up].unfinished(raw)
        return [(Event(kind=Kind.INVALID, up=record.up, raw=raw, wire_bytes=len(raw), note=record.note), {})]

    def _frame(self, record: Record) -> tuple[Event, dict[str, Any]]:
        raw, up, stream = record.data, record.up, self._streams[record.up]
        start = payload_start(raw)
        size, opcode, fin = _size(raw), Opcode(raw[0] & 0x0F), bool(raw[0] & 0x80)
        if record.length is None:
            raw = raw[: start + KEEP]
            content, length = unmask(raw, start, raw[start:]), size
        else:
            content, length, raw = raw[start:], record.length, raw[:start]
        cut = len(content) < length
        if opcode is Opcode.CONT and not self._known[up] and longest_secret():
            content = b"*" * len(content)
            raw = remask(raw, content, compressed=False)
        event = frame_event(Frame(opcode, content, fin), stream, raw, cut=cut)
        if event.kind in DATA:
            self._known[up] = not cut and (opcode is not Opcode.CONT or self._known[up])
        counted = not up or (event.kind in DATA and fin)
        return event, {
            "length": length,
            "wire_bytes": start + size,
            "ordinal": record.ordinal if counted else None,
            "keepalive": event.kind in (Kind.PING, Kind.PONG) and length == 4,
        }


def _size(raw: bytes) -> int:
    """The length of the payload that the header of a frame tells."""
    size = raw[1] & 0x7F
    return int.from_bytes(raw[2 : 2 + {126: 2, 127: 8}[size]]) if size > 125 else size
