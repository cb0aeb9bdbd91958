"""Bytes of both directions of one TCP connection in, events out.

The parsers are the library's own: `websockets.http11`, `websockets.frames` and its permessage-deflate. What they
refuse becomes one event of kind INVALID with the library's reason; the rest of that direction is not decoded.

Rules of this file: no I/O, and the events do not depend on how the bytes were cut into chunks.
"""

from __future__ import annotations

from collections.abc import Generator

from websockets.exceptions import PayloadTooBig, ProtocolError, SecurityError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.streams import StreamReader

from .masking import longest_secret, mask_secrets, payload_start, remask, unmask
from .trace import DATA, KEEP_BYTES, Event, Kind

KINDS = {
    Opcode.CONT: Kind.CONTINUATION,
    Opcode.TEXT: Kind.TEXT,
    Opcode.BINARY: Kind.BINARY,
    Opcode.CLOSE: Kind.CLOSE,
    Opcode.PING: Kind.PING,
    Opcode.PONG: Kind.PONG,
}

# What the parsers raise on bytes that they refuse (their docstrings), `EOFError` apart.
REFUSED = (ProtocolError, PayloadTooBig, SecurityError, ValueError, LookupError, NotImplementedError)

# A longer payload is refused: a declared length costs nothing to send, and a few compressed bytes may hold gigabytes.
MAX_BYTES = 1 << 26

Parse = Generator[None, None, None]


class Decoder:
    """Decode one TCP connection: `feed` bytes, `end` a direction, and take the events that they return.

    An event comes without lanes, names or time: the tap adds them.
    """

    def __init__(self) -> None:
        self._out: list[Event] = []
        self._responses = 0
        self._switched = False
        self._ordinal = {True: 0, False: 0}
        client, server = _Stream(True), _Stream(False)
        client.parser, server.parser = self._requests(client), self._answers(server)
        self._streams = {True: client, False: server}

    def feed(self, up: bool, data: bytes) -> list[Event]:
        """Decode `data`, which went from client to server if `up`."""
        stream = self._streams[up]
        if stream.parser is not None and not stream.ended:
            stream.reader.feed_data(data)
        return self._pump(up)

    def end(self, up: bool) -> list[Event]:
        """Say that no more bytes come in this direction; half a frame becomes an INVALID event."""
        stream = self._streams[up]
        if not stream.ended:
            stream.ended = True
            stream.reader.feed_eof()
        return self._pump(up)

    def _pump(self, up: bool) -> list[Event]:
        self._streams[up].advance(self._out)
        if not up:  # the answer tells what the client's next bytes are
            self._streams[True].advance(self._out)
        out, self._out = self._out, []
        return out

    def _requests(self, stream: _Stream) -> Parse:
        requests = 0
        while not self._switched:
            yield from Request.parse(stream.read_line)
            requests += 1
            self._out.append(_head(stream))
            while self._responses < requests:
                if self._streams[False].parser is None:
                    return
                yield
        yield from self._frames(stream)

    def _answers(self, stream: _Stream) -> Parse:
        while not self._switched:
            response = yield from Response.parse(stream.read_line, stream.read_exact, stream.read_to_eof)
            self._out.append(_head(stream, response))
            self._switched = response.status_code == 101
            self._responses += self._switched or response.status_code >= 200  # RFC 9110 15.2: others are interim
        # The answer says what was agreed, whoever asked for it (RFC 7692 7.1).
        agreed = ", ".join(response.headers.get_all("Sec-WebSocket-Extensions"))
        if "permessage-deflate" in agreed:
            for side, other in zip(("server", "client"), (stream, self._streams[True]), strict=True):
                other.extensions.append(PerMessageDeflate(f"{side}_no_context_takeover" in agreed, False, 15, 15))
        yield from self._frames(stream)

    def _frames(self, stream: _Stream) -> Parse:
        stream.framed = True
        while True:
            frame = yield from Frame.parse(
                stream.read_exact, mask=stream.up, max_size=MAX_BYTES, extensions=stream.extensions
            )
            self._out.append(self._event(frame, stream))

    def _event(self, frame: Frame, stream: _Stream) -> Event:
        kind, up, raw = KINDS[frame.opcode], stream.up, stream.take()
        content = bytes(frame.data)
        if kind in DATA:
            payload = stream.mask(content, more=not frame.fin)
            stream.began(frame, content, raw)
        else:
            payload = mask_secrets(content)
        if payload != content:
            raw = remask(raw, payload, compressed=kind in DATA and stream.compressed)
        code, note = _close(frame, payload) if kind is Kind.CLOSE else (None, "")
        ordinal = None
        if not up or (kind in DATA and frame.fin):
            ordinal = self._ordinal[up]
            self._ordinal[up] += 1
        return Event(
            kind=kind,
            up=up,
            raw=raw[:KEEP_BYTES],
            payload=payload[:KEEP_BYTES],
            length=len(payload),
            wire_bytes=len(raw),
            fin=frame.fin,
            rsv=raw[0] >> 4 & 0b111,
            masked=bool(raw[1] & 0x80),
            code=code,
            note=note,
            ordinal=ordinal,
        )


class _Stream:
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

    def take(self) -> bytes:
        raw = bytes(self._consumed)
        self._consumed.clear()
        return raw

    def mask(self, content: bytes, *, more: bool) -> bytes:
        """Mask the secrets in a part of a message, those that began in an earlier part included."""
        return mask_secrets(content, before=self._before, more=more)

    def began(self, frame: Frame, content: bytes, raw: bytes) -> None:
        """Remember what the next fragment of the message continues."""
        if frame.opcode is not Opcode.CONT:
            self.compressed = bool(raw[0] & 0x40)
        reach = longest_secret()
        self._before = b"" if frame.fin or not reach else (self._before + content)[-reach:]

    def advance(self, out: list[Event]) -> None:
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
            rest = self._unfinished(rest) if self.framed else mask_secrets(rest, head=True, more=True)
            out.append(Event(kind=Kind.INVALID, up=self.up, raw=rest[:KEEP_BYTES], wire_bytes=len(rest), note=reason))

    def _unfinished(self, raw: bytes) -> bytes:
        """A frame that is no frame, or half of one, without its secrets."""
        start = payload_start(raw)
        if len(raw) == start or not longest_secret():
            return raw
        payload = self.mask(unmask(raw, start, raw[start:]), more=True)
        return remask(raw, payload, compressed=bool(raw[0] & 0x40) or self.compressed)

    def read_exact(self, n: int) -> Generator[None, None, bytes | bytearray]:
        return self._keep((yield from self.reader.read_exact(n)))

    def read_line(self, m: int, too_long: type[Exception]) -> Generator[None, None, bytes | bytearray]:
        return self._keep((yield from self.reader.read_line(m, too_long)))

    def read_to_eof(self, m: int, too_long: type[Exception]) -> Generator[None, None, bytes | bytearray]:
        return self._keep((yield from self.reader.read_to_eof(m, too_long)))

    def _keep(self, data: bytes | bytearray) -> bytes | bytearray:
        self._consumed += data
        return data


def _head(stream: _Stream, response: Response | None = None) -> Event:
    raw = mask_secrets(stream.take(), head=True)
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("iso-8859-1").split("\r\n")
    first = lines[0].split(" ", 2)
    if response is not None:  # its body may have come in chunks
        body = mask_secrets(bytes(response.body))
    return Event(
        kind=Kind.REQUEST if stream.up else Kind.RESPONSE,
        up=stream.up,
        raw=raw[:KEEP_BYTES],
        payload=body[:KEEP_BYTES],
        length=len(body),
        wire_bytes=len(raw),
        code=response.status_code if response is not None else None,
        headline=" ".join(first[:2] if stream.up else first[1:]),
        headers=tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])),
    )


def _reason(exc: Exception) -> str:
    """Why the parser refused: the rule, without what was read, which may hold a secret or depend on the chunks."""
    rule = str(exc).partition(":")[0]
    return "longer than the parser allows" if rule.startswith("read ") else rule


def _close(frame: Frame, payload: bytes) -> tuple[int | None, str]:
    """The code of a close frame (1005 where it has none, RFC 6455 7.1.5) and its reason; no code if not valid."""
    try:
        return int(Close.parse(frame.data).code), payload[2:].decode("utf-8", "replace")
    except UnicodeDecodeError:
        return None, "not valid: the reason is no UTF-8"
    except ProtocolError as exc:
        code = f" {int.from_bytes(payload)}" if len(payload) == 2 else ""
        return None, f"not valid: {exc}{code}"
