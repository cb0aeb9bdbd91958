"""Facts in, facts out: what crossed the wire, kept in the order in which it was seen.

An `Event` is one thing that happened: a handshake half, a frame, the end of a TCP connection, an SQL
statement, a log record. A `Trace` is a list of events with the steps and causes that were observed.
Saved as JSON Lines, one event a line.

Rules of this file: no sockets, no IPython, nothing drawn. A secret is masked (`masking`) before an `Event` exists.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from .errors import RecordingError

MAX_EVENTS = 20_000
KEEP_BYTES = 1 << 16

# Causes that are no message: the handler started; its connection ended; its opening request was looked at.
OPENING, ENDING, ASKING = -1, -2, -3


class Kind(StrEnum):
    """What an event is: HTTP, a frame's opcode (RFC 6455 5.2), the end of TCP, or something beside the wire."""

    REQUEST = "request"
    RESPONSE = "response"
    TEXT = "text"
    BINARY = "binary"
    CONTINUATION = "continuation"
    PING = "ping"
    PONG = "pong"
    CLOSE = "close"
    END = "end"
    INVALID = "invalid"
    SQL = "sql"
    LOG = "log"


DATA = frozenset({Kind.TEXT, Kind.BINARY, Kind.CONTINUATION})
FRAMES = DATA | {Kind.PING, Kind.PONG, Kind.CLOSE}
BESIDE = frozenset({Kind.SQL, Kind.LOG})


@dataclass(frozen=True, slots=True)
class Cause:
    """Which message a handler had last taken from `recv()` when it did something.

    `message` counts the client's messages on `connection` from 0 (or `OPENING`, `ENDING`, `ASKING`); `turn` counts
    what was done since. `own`: by the handler itself, not by a task or thread that it started.
    """

    connection: str
    message: int
    turn: int
    life: int = 0
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened between two lanes.

    `raw` are the bytes on the wire, `payload` the unmasked and decompressed content; both are cut at 64 KiB,
    `length` (bytes of payload) and `wire_bytes` are not. `number` counts on the connection, `ordinal` counts the
    client's whole messages, or the frames that the server sent; `life` counts the connections of one name. `at` is
    in seconds since the trace began.
    """

    kind: Kind
    up: bool = True
    source: str = ""
    target: str = ""
    connection: str = ""
    life: int = 0
    tap: str = ""
    number: int = 0
    step: int = 0
    at: float = 0.0
    raw: bytes = b""
    payload: bytes = b""
    length: int = 0
    wire_bytes: int = 0
    fin: bool = True
    rsv: int = 0
    masked: bool = False
    code: int | None = None
    headline: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    note: str = ""
    ordinal: int | None = None
    lost: bool = False
    keepalive: bool = False
    cause: Cause | None = None

    @property
    def text(self) -> str:
        """The payload as text; bytes that are no UTF-8 appear as ``\\x..``."""
        return self.payload.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Take:
    """A handler took client message `message` of `connection`, in its `life`, when it had sent `sent` frames there."""

    connection: str
    life: int
    message: int
    sent: int


class Trace:
    """Events in the order in which they were seen, at most `MAX_EVENTS` of them.

    `taps` limits what `offer` accepts to those taps; events beside the wire always enter.
    Safe to append to from several threads.
    """

    def __init__(self, events: Iterable[Event] = (), taps: Iterable[str] | None = None) -> None:
        self.events: list[Event] = list(events)
        self.takes: dict[tuple[str, int, int], int] = {}
        self.taps = None if taps is None else frozenset(taps)
        self.step = 0
        self.full = False
        self._began = time.perf_counter()
        self._lock = threading.Lock()

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
            self.events.append(replace(event, step=self.step, at=time.perf_counter() - self._began))

    def take(self, take: Take) -> None:
        """Note that a handler took a message from `recv()`."""
        if len(self.takes) < MAX_EVENTS:
            self.takes[take.connection, take.life, take.message] = take.sent

    def save(self, path: str | Path) -> None:
        """Write the trace to `path` as JSON Lines; a file that was there is replaced as a whole or not at all."""
        lines = [json.dumps({"take": [*key, sent]}, ensure_ascii=False) for key, sent in list(self.takes.items())]
        lines += [json.dumps(_pack(event), ensure_ascii=False) for event in list(self.events)]
        target = Path(path)
        draft = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            draft.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read a trace that `save` wrote.

        Raises:
            RecordingError: If the file cannot be read, or a line of it is no event.
        """
        trace = cls()
        try:
            lines = Path(path).read_bytes().split(b"\n")  # not splitlines(): a payload may hold other line ends
        except OSError as exc:
            raise RecordingError(f"{Path(path).name} cannot be read: {exc.strerror}") from None
        for number, line in enumerate(lines[:-1] if lines[-1] == b"" else lines, 1):
            try:
                fields = json.loads(line.decode("utf-8", "surrogatepass"))
                if "take" in fields:
                    connection, life, message, sent = fields["take"]
                    trace.takes[str(connection), int(life), int(message)] = int(sent)
                else:
                    trace.events.append(_unpack(fields))
            except (ValueError, TypeError, KeyError, AttributeError) as exc:
                raise RecordingError(f"{Path(path).name}, line {number}: no event ({exc})") from None
        trace.step = max((event.step for event in trace.events), default=0)
        return trace


_open: list[Trace] = []


def begin(trace: Trace) -> None:
    """From now on `trace` is offered every event that a tap or a source sees."""
    _open.append(trace)


def finish(trace: Trace) -> None:
    """End what `begin` began; ending twice does no harm."""
    if trace in _open:
        _open.remove(trace)


def publish(item: Event | Take) -> None:
    """Offer `item` to every trace that is open."""
    for trace in list(_open):
        trace.take(item) if isinstance(item, Take) else trace.offer(item)


# JSON Lines ---------------------------------------------------------------------------------------------


def _pack(event: Event) -> dict[str, object]:
    default = Event(kind=event.kind)
    fields: dict[str, object] = {"kind": event.kind.value}
    for name, value in asdict(event).items():
        if name == "kind" or value == getattr(default, name):
            continue
        fields[name] = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return fields


def _unpack(fields: dict[str, object]) -> Event:
    values = dict(fields)
    for name in ("raw", "payload"):
        if name in values:
            values[name] = base64.b64decode(str(values[name]), validate=True)
    if isinstance(cause := values.get("cause"), dict):
        values["cause"] = Cause(**cause)
    if isinstance(headers := values.get("headers"), list):
        values["headers"] = tuple((str(name), str(value)) for name, value in headers)
    values["kind"] = Kind(str(values["kind"]))
    event = Event(**values)  # type: ignore[arg-type]
    for name, expected in _TYPES.items():
        if not isinstance(getattr(event, name), expected):
            raise TypeError(f"{name} is {getattr(event, name)!r}")
    return event


_TYPES: dict[str, type | tuple[type, ...]] = {
    **{name: type(default) for name, default in asdict(Event(kind=Kind.END)).items() if default is not None},
    "code": (int, type(None)),
    "ordinal": (int, type(None)),
    "cause": (Cause, type(None)),
}
