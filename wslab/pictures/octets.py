"""One event in, the parts of its bytes out: what each byte of a frame, each line of a handshake is for.

Rules of this file: pure functions. What differs from run to run (masking key, masked bytes, addresses, dates, versions)
is told apart from what does not, so that a text can leave it out and a picture can show it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from websockets.frames import CLOSE_CODE_EXPLANATIONS

from ..errors import later, say, say_many
from ..trace import FRAMES, Event, Kind
from .labels import is_text
from .theme import escape

HTTP = frozenset({Kind.REQUEST, Kind.RESPONSE})
COMPRESSED = 0b100  # RSV1 (RFC 7692 6)
_OPCODES = {Kind.CONTINUATION: 0, Kind.TEXT: 1, Kind.BINARY: 2, Kind.CLOSE: 8, Kind.PING: 9, Kind.PONG: 10}

# What a client or a server fills in anew each time, or what tells about the machine.
_VARYING = {
    "accept": later("<kinds of content>"),
    "accept-encoding": later("<ways to compress>"),
    "accept-language": later("<languages>"),
    "host": later("<address>"),
    "date": later("<date>"),
    "sec-websocket-key": later("<16 random bytes in base64>"),
    "sec-websocket-accept": later("<computed from the key>"),
    "user-agent": later("<program and versions>"),
    "server": later("<program and versions>"),
    "x-forwarded-for": later("<address>"),
    "x-forwarded-host": later("<address>"),
}
_MEANING = {
    "host": later("for which server"),
    "upgrade": later("to which protocol to change"),
    "connection": later("change this very connection"),
    "sec-websocket-key": later("a random question"),
    "sec-websocket-version": later("the protocol of RFC 6455"),
    "sec-websocket-accept": later("the answer: this server speaks WebSocket"),
    "sec-websocket-extensions": later("such as compression"),
    "sec-websocket-protocol": later("the language of the messages"),
    "content-length": later("bytes after the empty line"),
    "content-type": later("what these bytes are"),
    "transfer-encoding": later("how the body is cut into parts"),
    "authorization": later("who asks, and the proof"),
    "origin": later("the page that asks"),
}
_PORT = re.compile(r"(127\.0\.0\.1|localhost|\[::1\]):\d+")


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a frame. `wire` are those of this run, `plain` is what they mean, unmasked.

    `role` is "first", "second", "length", "key", "code" or "payload"; `size` also counts bytes that were not kept.
    """

    role: str
    name: str
    start: int
    size: int
    wire: bytes
    plain: bytes
    meaning: str

    @property
    def bits(self) -> bool:
        """Does each bit of it mean something?"""
        return self.role in ("first", "second")

    @property
    def title(self) -> str:
        """Its name and meaning; bits and lengths speak for themselves."""
        return self.meaning if self.bits or self.role == "length" else f"{self.name}: {self.meaning}"


def is_compressed(event: Event) -> bool:
    """Is the payload compressed (permessage-deflate)?"""
    return bool(event.rsv & COMPRESSED)


def parts(event: Event) -> list[Part]:
    """Return the parts of a frame in the order of its bytes (RFC 6455 5.2); a payload cut at 64 KiB stays cut."""
    if event.kind not in FRAMES or len(event.raw) < 2:
        return []
    raw = event.raw
    size = raw[1] & 0x7F
    extended = {126: 2, 127: 8}.get(size, 0)
    kind, masked = event.kind, event.masked
    first = f"FIN {event.fin:d} · RSV {event.rsv:03b} · opcode {_OPCODES[kind]:X} {kind.upper()}"
    second = f"MASK {masked:d} · " + say("length {size}", size=size)
    if extended:
        second = say("{bits}: see the next {number} bytes", bits=second, number=extended)
    found: list[Part] = []

    def add(role: str, name: str, size: int, meaning: str, plain: bytes | None = None) -> None:
        start = sum(part.size for part in found)
        wire = raw[start : start + size]
        found.append(Part(role, name, start, size, wire, wire if plain is None else plain, meaning))

    add("first", say("first byte"), 1, first)
    add("second", say("second byte"), 1, second)
    if extended:
        add("length", say("length"), extended, say("length {size}", size=int.from_bytes(raw[2 : 2 + extended])))
    if masked:
        add("key", say("masking key"), 4, say("4 random bytes, new for every frame"))
    rest, plain = event.wire_bytes - sum(part.size for part in found), event.payload
    if is_compressed(event):
        content = say_many("{count} byte of content", "{count} bytes of content", event.length)
        packed = say_many("{count} byte compressed", "{count} bytes compressed", rest)
        add("payload", say("payload"), rest, f"{packed}, {content}")
    elif kind is Kind.CLOSE and event.code is not None and rest >= 2:
        explained = CLOSE_CODE_EXPLANATIONS.get(event.code, say("registered or private"))
        add("code", say("close code"), 2, f"{event.code}, {explained}", plain[:2])
        if rest > 2:
            add("payload", say("reason"), rest - 2, _bytes(rest - 2), plain[2:])
    elif rest:
        add("payload", say("payload"), rest, _bytes(rest), plain)
    return found


def _bytes(number: int) -> str:
    return say_many("{count} byte", "{count} bytes", number)


def lines(event: Event, *, varying: bool = False) -> list[tuple[str, str]]:
    """Return the lines of an HTTP head and what each is for; placeholders stand for what varies, unless asked for.

    An address keeps its placeholder for the port even then. What follows the empty line is not included.
    """
    first = event.raw.partition(b"\r\n")[0].decode("iso-8859-1")
    if event.kind is Kind.REQUEST:
        meaning = say("method, path, version")
    else:
        refused = say("status: no WebSocket") if event.ordinal is None else say("version, status")
        meaning = say("from here on frames") if event.code == 101 else refused
    found = [(_PORT.sub(r"\1:<port>", first), meaning)]
    for name, value in event.headers:
        key = name.lower()
        shown = value if varying or key not in _VARYING else say(_VARYING[key])
        meaning = say(_MEANING[key]) if key in _MEANING else ""
        if key == "connection" and value.lower() == "close":
            meaning = say("TCP ends after this answer")
        found.append((_PORT.sub(r"\1:<port>", f"{name}: {shown}"), meaning))
    return [*found, ("", say("an empty line ends the head"))]


def is_lettered(part: Part, event: Event) -> bool:
    """Can the bytes of `part` be read as text where they stand?"""
    return part.role == "payload" and not is_compressed(event) and (is_text(event) or event.kind is Kind.CLOSE)


def letters(data: bytes, offset: int, number: int) -> Iterator[tuple[int, int, str]]:
    """The characters of `data` that begin in the `number` bytes from `offset` on: first byte, bytes there, character.

    A character that is not printable comes as its escape, half a character as a dot.
    """
    end = min(offset + number, len(data))
    while 0 < offset < end and data[offset] & 0b1100_0000 == 0b1000_0000:
        offset += 1  # it began before
    while offset < end:
        size = _size(data[offset])
        try:
            char = escape(data[offset : offset + size].decode())
        except UnicodeDecodeError:
            size, char = 1, "·"
        yield offset, min(size, end - offset), char
        offset += size


def _size(byte: int) -> int:
    """How many bytes a character has whose first byte this is, in UTF-8."""
    return 1 if byte < 0xC0 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
