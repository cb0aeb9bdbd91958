"""Facts in, facts out: what crossed the wire, kept in the order in which it was seen.

An `Event` is one thing that happened: a handshake half, a frame, the end of a TCP connection, an SQL
statement, a log record. A `Trace` is a list of events with the steps and causes that were observed.
Saved as JSON Lines, one event a line.

Rules of this file: no sockets, no IPython, nothing drawn. A secret is masked before an `Event` exists.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from .errors import RecordingError

MAX_EVENTS = 20_000
KEEP_BYTES = 1 << 16

OPENING, ENDING = -1, -2  # causes that are no message: the handler started; its connection ended


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

    `message` counts the client's messages on `connection` from 0 (or `OPENING`, `ENDING`); `turn` counts
    what the handler did since.
    """

    connection: str
    message: int
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened between two lanes.

    `raw` are the bytes on the wire, `payload` the unmasked and decompressed content; both are cut at 64 KiB,
    `length` (bytes of payload) and `wire_bytes` are not. `number` counts on the connection, `ordinal` counts the
    client's whole messages, or the frames that the server sent. `at` is in seconds since the trace began.
    """

    kind: Kind
    up: bool = True
    source: str = ""
    target: str = ""
    connection: str = ""
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
    """A handler took client message `message` of `connection` when it had sent `sent` frames there."""

    connection: str
    message: int
    sent: int


class Trace:
    """Events in the order in which they were seen, at most `MAX_EVENTS` of them.

    `taps` limits what `offer` accepts to those taps; events beside the wire always enter.
    Safe to append to from several threads.
    """

    def __init__(self, events: Iterable[Event] = (), taps: Iterable[str] | None = None) -> None:
        self.events: list[Event] = list(events)
        self.takes: dict[tuple[str, int], int] = {}
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
            self.takes[take.connection, take.message] = take.sent

    def save(self, path: str | Path) -> None:
        """Write the trace to `path` as JSON Lines."""
        lines = [json.dumps({"take": [c, m, s]}) for (c, m), s in self.takes.items()]
        lines += [json.dumps(_pack(event), ensure_ascii=False) for event in self.events]
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read a trace that `save` wrote.

        Raises:
            RecordingError: If a line of the file is no event.
        """
        trace = cls()
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            try:
                fields = json.loads(line)
                if "take" in fields:
                    connection, message, sent = fields["take"]
                    trace.takes[connection, message] = sent
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


# Secrets ------------------------------------------------------------------------------------------------

_HEADER = re.compile(rb"(?im)^((?:authorization|cookie|set-cookie|proxy-[\w-]+|x-xsrftoken)[ \t]*:[ \t]*)([^\r\n]+)")
_QUERY = re.compile(rb"(?i)([?&;](?:access_token|token|ticket|_xsrf|password)=)([^&;\s]+)")
_secrets: set[bytes] = set()


def register_secret(value: str | bytes) -> None:
    """From now on mask `value` wherever it would enter a recording; empty values are ignored."""
    data = value.encode() if isinstance(value, str) else bytes(value)
    if data:
        _secrets.add(data)


def mask_secrets(data: bytes, *, head: bool = False) -> bytes:
    """Replace every secret in `data` by as many asterisks; `head`: also credentials of an HTTP head."""
    if head:
        for pattern in (_HEADER, _QUERY):
            data = pattern.sub(lambda m: m[1] + b"*" * len(m[2]), data)
    for secret in sorted(_secrets, key=len, reverse=True):
        data = data.replace(secret, b"*" * len(secret))
    return data


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
    return Event(**values)  # type: ignore[arg-type]
