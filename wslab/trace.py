"""Facts in, facts out: what was seen, kept in the order in which it was seen.

A `Trace` is a list of events (`event`) with the steps and causes that were observed. Saved as JSON Lines.

Rules of this file: no sockets, no IPython, nothing drawn.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .errors import RecordingError, say
from .event import (
    ASKING,
    BESIDE,
    DATA,
    ENDING,
    FRAMES,
    KEEP_BYTES,
    OPENING,
    SUBJECTS,
    Cause,
    Event,
    Key,
    Kind,
    Take,
    Why,
    pack,
    unpack,
)
from .origin import ignore, listen

__all__ = [
    "ASKING",
    "BESIDE",
    "DATA",
    "ENDING",
    "FRAMES",
    "KEEP_BYTES",
    "MAX_EVENTS",
    "OPENING",
    "SUBJECTS",
    "Cause",
    "Event",
    "Key",
    "Kind",
    "Take",
    "Trace",
    "Why",
    "begin",
    "finish",
    "is_recording",
    "publish",
]

MAX_EVENTS = 20_000


class Trace:
    """Events in the order in which they were seen, at most `MAX_EVENTS` of them.

    `taps` limits what `offer` accepts to those taps; events beside the wire always enter. `listens`: a tap will ask
    which lines of clients send. An event that comes with the time of its process's clock (`time.perf_counter`) keeps
    it. Safe to append to from several threads.
    """

    def __init__(
        self, events: Iterable[Event] = (), taps: Container[str] | None = None, *, listens: bool = True
    ) -> None:
        self.events: list[Event] = list(events)
        self.takes: dict[tuple[str, int, int], int] = {}
        self.taps, self.listens = taps, listens
        self.step = 0
        self.full = False
        self.began = time.perf_counter()
        self._lock = threading.Lock()
        self._unexplained: dict[Key, list[int]] = {}  # where events stand whose cause may still be reported
        self._whys: dict[Key, deque[Cause]] = {}

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def offer(self, event: Event) -> None:
        """Append `event` with this trace's step and time, if it belongs here."""
        if self.taps is not None and event.tap and event.tap not in self.taps:
            return
        with self._lock:
            if len(self.events) >= MAX_EVENTS:
                self.full = True
                return
            cause, key = event.cause, None if event.cause is not None else event.key
            if key is not None and (known := self._whys.get(key)):
                cause, key = known.popleft() if event.kind in SUBJECTS else known[0], None
            if key is not None:
                self._unexplained.setdefault(key, []).append(len(self.events))
            at = (event.at or time.perf_counter()) - self.began
            self.events.append(replace(event, step=self.step, at=at, cause=cause))

    def because(self, why: Why) -> None:
        """Note a reported cause: a frame has one at every tap, and of equal commands each has its own, in order."""
        with self._lock:
            places = self._unexplained.get(why.key, [])
            command = bool(places) and self.events[places[0]].kind in SUBJECTS
            for place in places[:1] if command else places:
                self.events[place] = replace(self.events[place], cause=why.cause)
            del places[: 1 if command else None]
            if not command and len(self._whys) < MAX_EVENTS:
                self._whys.setdefault(why.key, deque()).append(why.cause)

    def take(self, take: Take) -> None:
        """Note that a handler took a message from `recv()`."""
        if len(self.takes) < MAX_EVENTS:
            self.takes[take.connection, take.life, take.message] = take.sent

    def save(self, path: str | Path) -> None:
        """Write the trace to `path` as JSON Lines; a file that was there is replaced as a whole or not at all.

        Raises:
            RecordingError: If it cannot be written there.
        """
        lines = [json.dumps({"take": [*key, sent]}, ensure_ascii=False) for key, sent in list(self.takes.items())]
        lines += [json.dumps(pack(event), ensure_ascii=False) for event in list(self.events)]
        target = Path(path)
        draft = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            draft.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))
            draft.replace(target)
        except OSError as exc:
            why = say("{file} cannot be written ({reason}): save it elsewhere", file=target.name, reason=exc.strerror)
            raise RecordingError(why) from None
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read a trace that `save` wrote.

        Raises:
            RecordingError: If the file cannot be read, or a line of it is no event.
        """
        trace = cls()
        file = Path(path)
        try:
            lines = file.read_bytes().split(b"\n")  # not splitlines(): a payload may hold other line ends
        except OSError as exc:
            raise RecordingError(say("{file} cannot be read: {reason}", file=file.name, reason=exc.strerror)) from None
        for number, line in enumerate(lines[:-1] if lines[-1] == b"" else lines, 1):
            try:
                fields = json.loads(line.decode("utf-8", "surrogatepass"))
                if "take" in fields:
                    connection, life, message, sent = fields["take"]
                    trace.takes[str(connection), int(life), int(message)] = int(sent)
                else:
                    trace.events.append(unpack(fields))
            except (ValueError, TypeError, KeyError, AttributeError) as exc:
                text = say("{file}, line {number}: no event ({reason})", file=file.name, number=number, reason=exc)
                raise RecordingError(text) from None
        trace.step = max((event.step for event in trace.events), default=0)
        return trace


_open: list[Trace] = []


def begin(trace: Trace) -> None:
    """From now on `trace` is offered every event that a tap or a source sees."""
    _open.append(trace)
    if trace.listens:
        listen()


def finish(trace: Trace) -> None:
    """End what `begin` began; ending twice does no harm."""
    if trace in _open:
        _open.remove(trace)
        if trace.listens:
            ignore()


def is_recording() -> bool:
    """Is any trace open?"""
    return bool(_open)


def publish(item: Event | Take | Why) -> None:
    """Offer `item` to every trace that is open."""
    for trace in list(_open):
        if isinstance(item, Event):
            trace.offer(item)
        elif isinstance(item, Take):
            trace.take(item)
        else:
            trace.because(item)
