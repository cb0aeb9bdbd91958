"""Bytes between a program and a NATS server in, events out: who publishes, subscribes and is told what.

The protocol is text: a line, and after PUB, HPUB, MSG and HMSG as many bytes as that line says
(https://docs.nats.io/reference/reference-protocols/nats-protocol). The server speaks first, with INFO.

What only opens the connection or keeps it alive (INFO, CONNECT, PING, PONG, +OK) is marked as keepalive. An inbox has a
random name: a headline holds "_INBOX.…" instead.

Rules of this file: no I/O, and the events do not depend on how the bytes were cut into chunks.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress

from .decode import MAX_BYTES
from .masking import mask_secrets
from .trace import KEEP_BYTES, Event, Kind

GREETING = b"INFO "
MAX_LINE = 1 << 16
CARRIERS = {"PUB": Kind.PUBLISH, "HPUB": Kind.PUBLISH, "MSG": Kind.DELIVER, "HMSG": Kind.DELIVER}
SPOKEN = {True: {"CONNECT", "PUB", "HPUB", "SUB", "UNSUB"}, False: {"INFO", "MSG", "HMSG", "+OK", "-ERR"}}
QUIET = frozenset({"INFO", "CONNECT", "PING", "PONG", "+OK"})
# Operation and arguments: at least and at most so many of them (`reply`, `queue` and `max` may be left out).
ARGUMENTS = {"PUB": (2, 3), "HPUB": (3, 4), "MSG": (3, 4), "HMSG": (4, 5), "SUB": (2, 3), "UNSUB": (1, 2)}

_CREDENTIAL = re.compile(rb'("(?:pass|auth_token|jwt|sig|nkey)"\s*:\s*")((?:[^"\\]|\\.)*)')
INBOX = re.compile(r"(?<!\S)_INBOX\.\S+")


class NatsDecoder:
    """Decode one connection to a NATS server: `feed` bytes, `end` a direction, and take the events that they return.

    `client` is the number that the server gave the connection. An event comes without lanes or time: the tap adds them.
    """

    def __init__(self) -> None:
        self.name = ""
        self.client = 0
        self._buffers = {True: bytearray(), False: bytearray()}
        self._needed = {True: 0, False: 0}
        self._broken = {True: False, False: False}
        self._subjects: dict[str, str] = {}
        self._delivered = 0
        self._held: list[Event] | None = []  # the server speaks first, and only CONNECT says who the client is

    def feed(self, up: bool, data: bytes) -> list[Event]:
        """Decode `data`, which went from client to server if `up`."""
        if self._broken[up]:
            return []
        self._buffers[up] += data
        out: list[Event] = []
        try:
            while len(self._buffers[up]) >= self._needed[up] and (event := self._next(up)) is not None:
                out.append(event)
        except ValueError as exc:
            out.append(self._invalid(up, str(exc)))
        return self._release(out, now=False)

    def end(self, up: bool) -> list[Event]:
        """Say that no more bytes come in this direction; half a line becomes an INVALID event."""
        rest = self._buffers[up] and not self._broken[up]
        return self._release([self._invalid(up, "the bytes end in the middle")] if rest else [], now=True)

    def _release(self, events: list[Event], now: bool) -> list[Event]:
        if self._held is None:
            return events
        self._held += events
        if not now and not any(event.up for event in self._held):
            return []
        held, self._held = self._held, None
        return held

    def _next(self, up: bool) -> Event | None:
        """The next line with what belongs to it; `None` if it is not complete.

        Raises:
            ValueError: If it is not of the protocol.
        """
        buffer = self._buffers[up]
        end = buffer.find(b"\r\n", 0, MAX_LINE)
        if end < 0:
            if len(buffer) >= MAX_LINE:
                raise ValueError("line too long")
            return None
        line = buffer[:end].decode("utf-8", "replace")
        name, _, rest = line.replace("\t", " ").partition(" ")
        operation = name.upper()
        if operation not in SPOKEN[up] | {"PING", "PONG"}:
            raise ValueError("no operation of the NATS protocol")
        arguments = rest.split()
        least, most = ARGUMENTS.get(operation, (0, MAX_LINE))
        if not least <= len(arguments) <= most:
            raise ValueError(f"{operation} with {len(arguments)} arguments")
        start, size, wire = end + 2, 0, end + 2
        if operation in CARRIERS:
            size = _size(arguments[-1])
            start += _size(arguments[-2]) if operation.startswith("H") else 0
            wire = end + 2 + size + 2
            self._needed[up] = wire
            if len(buffer) < wire:
                return None
            if start > end + 2 + size or buffer[wire - 2 : wire] != b"\r\n":
                raise ValueError(f"{operation} does not end where its length says")
        self._needed[up] = 0
        raw = bytes(buffer[:wire])
        del buffer[:wire]
        return self._event(up, operation, arguments, raw, slice(start, wire - 2), head=end + 2)

    def _event(self, up: bool, operation: str, arguments: list[str], raw: bytes, body: slice, head: int) -> Event:
        carries, subject, sid = operation in CARRIERS, "", ""
        if operation in ("INFO", "CONNECT"):
            self._read(up, raw[len(operation) :])
        elif operation == "SUB":
            subject = " ".join(arguments[:-1])
            self._subjects[arguments[-1]] = arguments[0]
        elif operation == "UNSUB":
            subject = self._subjects.get(arguments[0], "")
        elif operation == "-ERR":
            subject = " ".join(arguments)
        elif carries:
            subject, sid = arguments[0], "" if up else arguments[1]
        if operation == "CONNECT":
            raw = _CREDENTIAL.sub(lambda match: match[1] + b"*" * len(match[2]), raw)
        payload = mask_secrets(raw[body]) if carries else b""
        ordinal = None
        if carries and not up:
            ordinal, self._delivered = self._delivered, self._delivered + 1
        return Event(
            kind=CARRIERS.get(operation, Kind.COMMAND),
            up=up,
            raw=mask_secrets(raw)[:KEEP_BYTES],
            payload=payload[:KEEP_BYTES],
            length=len(payload),
            wire_bytes=len(raw),
            headline=headline(operation, subject),
            headers=_headers(raw[head : body.start]) if carries else (),
            note=sid,
            ordinal=ordinal,
            keepalive=operation in QUIET,
        )

    def _read(self, up: bool, text: bytes) -> None:
        """Take from CONNECT what the client calls itself, and from INFO its number."""
        with suppress(ValueError):
            fields = json.loads(text)
            found = fields.get("name" if up else "client_id") if isinstance(fields, dict) else None
            if up and isinstance(found, str):
                self.name = found
            elif not up and isinstance(found, int):
                self.client = found

    def _invalid(self, up: bool, reason: str) -> Event:
        rest, self._broken[up] = bytes(self._buffers[up]), True
        self._buffers[up].clear()
        raw = mask_secrets(_CREDENTIAL.sub(lambda match: match[1] + b"*" * len(match[2]), rest), more=True)
        return Event(kind=Kind.INVALID, up=up, raw=raw[:KEEP_BYTES], wire_bytes=len(rest), note=reason)


def headline(operation: str, subject: str) -> str:
    """What stands on the arrow: "PUB room.1", also for HPUB."""
    shown = mask_secrets(INBOX.sub("_INBOX.…", subject).encode()).decode("utf-8", "replace")
    return f"{operation.removeprefix('H')} {shown}".rstrip()


def _size(digits: str) -> int:
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10 or int(digits) > MAX_BYTES:
        raise ValueError("no length, or one that is too long")
    return int(digits)


def _headers(head: bytes) -> tuple[tuple[str, str], ...]:
    """The headers of HPUB and HMSG, which look as those of HTTP do."""
    lines = mask_secrets(head, head=True).decode("utf-8", "replace").split("\r\n")[1:]
    return tuple(
        (name.strip(), value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon
    )
