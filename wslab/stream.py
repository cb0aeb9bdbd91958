"""One direction of a TCP connection: bytes are fed in, a parser takes what it needs, and its events come out.

Rules of this file: no I/O. A parser is a generator that yields where it needs more bytes, so that its events do not
depend on how the bytes were cut into chunks.
"""

from __future__ import annotations

import re
from collections.abc import Generator

import h11
from websockets.exceptions import PayloadTooBig, ProtocolError, SecurityError
from websockets.extensions import Extension
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from .masking import longest_secret, mask_secrets, payload_start, remask, unmask
from .trace import KEEP_BYTES, Event, Kind

# What the parsers raise on bytes that they refuse (their docstrings), `EOFError` apart.
REFUSED = (
    h11.ProtocolError,
    ProtocolError,
    PayloadTooBig,
    SecurityError,
    ValueError,
    LookupError,
    NotImplementedError,
)

Parse = Generator[None, None, None]

_READ = re.compile(r":\s*(?:bytearray\()?b['\"].*", re.DOTALL)  # where h11 quotes what it read


class Stream:
    """One direction: the library's reader, and the bytes that its parser has consumed since the last event."""

    def __init__(self, up: bool) -> None:
        self.up = up
        self.reader = StreamReader()
        self.parser: Parse | None = None
        self.extensions: list[Extension] = []  # filled in place: the parser of the first frame has it already
        self.ended = False
        self.framed = False
        self.compressed = False
        self._before = b""  # the end of the message so far, where a secret may have begun
        self._consumed = bytearray()
        self._ordinals = 0

    def feed(self, data: bytes) -> None:
        """Add bytes; those after the end, or after what was refused, are ignored."""
        if self.parser is not None and not self.ended:
            self.reader.feed_data(data)

    def end(self) -> None:
        """No more bytes come."""
        if not self.ended:
            self.ended = True
            self.reader.feed_eof()

    def take(self) -> bytes:
        """The bytes that were consumed since the last event."""
        raw = bytes(self._consumed)
        self._consumed.clear()
        return raw

    def ordinal(self) -> int:
        """The number of the next message (of the client) or frame (of the server)."""
        self._ordinals += 1
        return self._ordinals - 1

    def mask(self, content: bytes, *, more: bool, body: bool = False) -> bytes:
        """Mask the secrets in a part of a message, or of an HTTP body, those that began in an earlier part included."""
        return mask_secrets(content, body=body, before=self._before, more=more)

    def passed(self, content: bytes, *, more: bool) -> None:
        """Remember what the next part of the message continues."""
        reach = longest_secret()
        self._before = (self._before + content)[-reach:] if more and reach else b""

    def began(self, frame: Frame, content: bytes, raw: bytes) -> None:
        """Remember what the next fragment of the message continues."""
        if frame.opcode is not Opcode.CONT:
            self.compressed = bool(raw[0] & 0x40)
        self.passed(content, more=not frame.fin)

    def advance(self, out: list[Event]) -> None:
        """Parse what is there into `out`; what is refused becomes one event, and ends this direction."""
        if self.parser is None:
            return
        try:
            next(self.parser)
            return
        except StopIteration:
            rest, reason = b"", ""
        except EOFError:
            rest, reason = self.take(), "line without CRLF"  # the library calls that an end of the stream, too
            if self.ended:
                rest += bytes(self.reader.buffer)
                reason = "the bytes end in the middle" if rest else ""
        except REFUSED as exc:
            rest, reason = self.take(), _reason(exc)
        self.parser = None
        self.reader.discard()
        if reason:
            rest = self.unfinished(rest) if self.framed else mask_secrets(rest, head=True, body=True, more=True)
            out.append(Event(kind=Kind.INVALID, up=self.up, raw=rest[:KEEP_BYTES], wire_bytes=len(rest), note=reason))

    def unfinished(self, raw: bytes) -> bytes:
        """A frame that is no frame, or half of one, without its secrets."""
        start = payload_start(raw)
        if len(raw) == start or not longest_secret():
            return raw
        payload = self.mask(unmask(raw, start, raw[start:]), more=True)
        return remask(raw, payload, compressed=bool(raw[0] & 0x40) or self.compressed)

    def read_exact(self, n: int) -> Generator[None, None, bytes | bytearray]:
        """`n` bytes."""
        return self._keep((yield from self.reader.read_exact(n)))

    def read_line(self, most: int) -> Generator[None, None, bytes | bytearray]:
        """A line with its end, of at most `most` bytes."""
        return self._keep((yield from self.reader.read_line(most, SecurityError)))

    def read_some(self, most: int) -> Generator[None, None, bytes]:
        """What is there, at least one byte and at most `most`; such bytes are not kept for `take`."""
        while not self.reader.buffer:
            if self.reader.eof:
                raise EOFError
            yield
        return bytes((yield from self.reader.read_exact(min(most, len(self.reader.buffer)))))

    def _keep(self, data: bytes | bytearray) -> bytes | bytearray:
        self._consumed += data
        return data


def _reason(exc: Exception) -> str:
    """Why the parser refused: the rule, without what was read, which may hold a secret or depend on the chunks."""
    if isinstance(exc, h11.ProtocolError):
        return _READ.sub("", str(exc))
    rule = str(exc).partition(":")[0]
    return "longer than the parser allows" if rule.startswith("read ") else rule
