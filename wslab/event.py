"""One fact each: what crossed the wire or happened beside it, why, and what a handler took.

An `Event` is one thing that happened: a handshake half, a frame, the end of a TCP connection, what went over the
backplane, an SQL statement, a log record. `pack` and `unpack` turn it into the fields of a JSON object and back.

Rules of this file: no sockets, no IPython, nothing drawn. A secret is masked (`masking`) before an `Event` exists.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from enum import StrEnum

from .origin import Origin

KEEP_BYTES = 1 << 16

# Causes that are no message: the handler started; its connection ended; its opening request was looked at.
OPENING, ENDING, ASKING = -1, -2, -3


class Kind(StrEnum):
    """HTTP, a frame's opcode (RFC 6455 5.2), the end of TCP, beside the wire, or publish and subscribe on subjects."""

    REQUEST = "request"
    RESPONSE = "response"
    BODY = "body"
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
    PUBLISH = "publish"
    DELIVER = "deliver"
    COMMAND = "command"


DATA = frozenset({Kind.TEXT, Kind.BINARY, Kind.CONTINUATION})
FRAMES = DATA | {Kind.PING, Kind.PONG, Kind.CLOSE}
BESIDE = frozenset({Kind.SQL, Kind.LOG})
SUBJECTS = frozenset({Kind.PUBLISH, Kind.DELIVER, Kind.COMMAND})  # what the backplane's protocol says

Key = tuple[str, str | int, int]  # names a frame, or what was sent to a backplane, before or after it was seen


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
    client's whole messages, or the frames that the server sent, or what a backplane delivered; `life` counts the
    connections of one name. `at` is in seconds since the trace began. `origin` is the line that sent it, where known.
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
    origin: Origin | None = None

    @property
    def text(self) -> str:
        """The payload as text; bytes that are no UTF-8 appear as ``\\x..``."""
        return self.payload.decode("utf-8", "backslashreplace")

    @property
    def near(self) -> str:
        """The lane on the client's side of the tap: the client's own, or that of a balancer or a server."""
        return self.source if self.up else self.target

    @property
    def far(self) -> str:
        """The lane on the server's side of the tap, or what a server writes to."""
        return self.target if self.up else self.source

    @property
    def relayed(self) -> bool:
        """Does it cross a hop behind a balancer? The same frame then crosses one before."""
        return bool(self.tap) and self.kind not in SUBJECTS and self.near != self.connection

    @property
    def key(self) -> Key | None:
        """How another process, which knows why this was sent, calls it."""
        if self.up and self.kind in (Kind.PUBLISH, Kind.COMMAND):
            return self.source, self.headline, self.length
        if not self.up and self.kind in FRAMES and self.ordinal is not None:
            return self.connection, self.life, self.ordinal
        return None


@dataclass(frozen=True, slots=True)
class Take:
    """A handler took client message `message` of `connection`, in its `life`, when it had sent `sent` frames there."""

    connection: str
    life: int
    message: int
    sent: int


@dataclass(frozen=True, slots=True)
class Why:
    """The cause of what another process sent: the report may come before or after what it explains."""

    key: Key
    cause: Cause


# JSON Lines ---------------------------------------------------------------------------------------------


def pack(event: Event) -> dict[str, object]:
    """Return the fields of `event` that differ from the default, as JSON can hold them."""
    default = Event(kind=event.kind)
    fields: dict[str, object] = {"kind": event.kind.value}
    for name, value in asdict(event).items():
        if name == "kind" or value == getattr(default, name):
            continue
        fields[name] = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return fields


def unpack(fields: dict[str, object]) -> Event:
    """Return the event whose fields `pack` returned.

    Raises:
        ValueError, TypeError, KeyError: If they are no event's.
    """
    values = dict(fields)
    for name in ("raw", "payload"):
        if name in values:
            values[name] = base64.b64decode(str(values[name]), validate=True)
    if isinstance(cause := values.get("cause"), dict):
        values["cause"] = Cause(**cause)
    if isinstance(origin := values.get("origin"), dict):
        values["origin"] = Origin(**origin)
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
    **dict.fromkeys(("code", "ordinal"), (int, type(None))),
    "cause": (Cause, type(None)),
    "origin": (Origin, type(None)),
}
