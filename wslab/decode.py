"""Bytes of both directions of one TCP connection in, events out.

The parsers are the library's own: `websockets.http11`, `websockets.frames` and its permessage-deflate. What they
refuse becomes one event of kind INVALID with the library's reason; the rest of that direction is not decoded.

Rules of this file: no I/O, and the events do not depend on how the bytes were cut into chunks.
"""

from __future__ import annotations

from collections.abc import Generator

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode, apply_mask
from websockets.http11 import Request, Response
from websockets.streams import StreamReader

from .trace import DATA, KEEP_BYTES, Event, Kind, mask_secrets

KINDS = {
    Opcode.CONT: Kind.CONTINUATION,
    Opcode.TEXT: Kind.TEXT,
    Opcode.BINARY: Kind.BINARY,
    Opcode.CLOSE: Kind.CLOSE,
    Opcode.PING: Kind.PING,
    Opcode.PONG: Kind.PONG,
}

# What the parsers raise on bytes that they refuse (their docstrings), `EOFError` apart.
REFUSED = (ProtocolError, PayloadTooBig, ValueError, LookupError, NotImplementedError, OverflowError)

Parse = Generator[None, None, None]


class Decoder:
    """Decode one TCP connection: `feed` bytes, `end` a direction, and take the events that they return.

    An event comes without lanes, names or time: the tap adds them.
    """

    def __init__(self) -> None:
        self._out: list[Event] = []
        self._responses = 0
        self._switched = False
        self._extensions: dict[bool, list[Extension]] = {True: [], False: []}
        self._ordinal = {True: 0, False: 0}
        client, server = _Stream(True), _Stream(False)
        client.parser, server.parser = self._requests(client), self._answers(server)
        self._streams = {True: client, False: server}

    def feed(self, up: bool, data: bytes) -> list[Event]:
        """Decode `data`, which went from client to server if `up`."""
        stream = self._streams[up]
        if stream.parser is not None:
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
        while True:
            request = yield from Request.parse(stream.read_line)
            requests += 1
            self._out.append(_head(stream, f"{request.method} {request.path}", True))
            while self._responses < requests:
                if self._streams[False].parser is None:
                    return
                yield
            if self._switched:
                break
        yield from self._frames(stream)

    def _answers(self, stream: _Stream) -> Parse:
        while True:
            response = yield from Response.parse(stream.read_line, stream.read_exact, stream.read_to_eof)
            event = _head(stream, f"{response.status_code} {response.reason_phrase}", False, response.status_code)
            self._out.append(event)
            self._responses += 1
            if response.status_code == 101:
                break
        if "permessage-deflate" in response.headers.get("Sec-WebSocket-Extensions", ""):
            for extensions in self._extensions.values():
                extensions.append(PerMessageDeflate(False, False, 15, 15))
        self._switched = True
        yield from self._frames(stream)

    def _frames(self, stream: _Stream) -> Parse:
        up = stream.up
        while True:
            frame = yield from Frame.parse(
                stream.read_exact, mask=up, max_size=None, extensions=self._extensions[up]
            )
            self._out.append(self._event(frame, up, stream.take()))

    def _event(self, frame: Frame, up: bool, raw: bytes) -> Event:
        kind = KINDS[frame.opcode]
        content = bytes(frame.data)
        payload = mask_secrets(content)
        if payload != content:
            raw = _remask(raw, payload, up)
        code, note = None, ""
        if kind is Kind.CLOSE:
            try:
                close = Close.parse(frame.data)
                code, note = int(close.code), mask_secrets(close.reason.encode()).decode()
            except (ProtocolError, UnicodeDecodeError) as exc:
                note = f"not valid: {exc}"
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
        self.ended = False
        self._consumed = bytearray()

    def take(self) -> bytes:
        raw = bytes(self._consumed)
        self._consumed.clear()
        return raw

    def advance(self, out: list[Event]) -> None:
        if self.parser is None:
            return
        try:
            next(self.parser)
            return
        except StopIteration:
            rest, reason = b"", ""
        except EOFError:
            rest = self.take() + bytes(self.reader.buffer)
            reason = "the bytes end in the middle" if rest else ""
        except REFUSED as exc:
            rest, reason = self.take(), f"{exc}"
        self.parser = None
        self.reader.discard()
        if reason:
            rest = mask_secrets(rest, head=True)
            out.append(
                Event(kind=Kind.INVALID, up=self.up, raw=rest[:KEEP_BYTES], wire_bytes=len(rest), note=reason)
            )

    def read_exact(self, n: int) -> Generator[None, None, bytes | bytearray]:
        return self._keep((yield from self.reader.read_exact(n)))

    def read_line(self, m: int, too_long: type[Exception]) -> Generator[None, None, bytes | bytearray]:
        return self._keep((yield from self.reader.read_line(m, too_long)))

    def read_to_eof(self, m: int, too_long: type[Exception]) -> Generator[None, None, bytes | bytearray]:
        return self._keep((yield from self.reader.read_to_eof(m, too_long)))

    def _keep(self, data: bytes | bytearray) -> bytes | bytearray:
        self._consumed += data
        return data


def _head(stream: _Stream, headline: str, up: bool, status: int | None = None) -> Event:
    raw = mask_secrets(stream.take(), head=True)
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("iso-8859-1").split("\r\n")
    headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
    first = lines[0].split(" ")
    headline = " ".join(first[:2]) if up else headline
    return Event(
        kind=Kind.REQUEST if up else Kind.RESPONSE,
        up=up,
        raw=raw[:KEEP_BYTES],
        payload=body[:KEEP_BYTES],
        length=len(body),
        wire_bytes=len(raw),
        code=status,
        headline=headline,
        headers=headers,
    )


def _remask(raw: bytes, payload: bytes, masked: bool) -> bytes:
    """The frame's bytes with its secret gone: the header stays, so does the length where it was not compressed."""
    size = raw[1] & 0x7F
    start = 2 + {126: 2, 127: 8}.get(size, 0) + (4 if masked else 0)
    room = len(raw) - start
    if room != len(payload):  # compressed: nothing of it may stay
        return raw[:start] + b"*" * room
    return raw[:start] + (bytes(apply_mask(payload, raw[start - 4 : start])) if masked else payload)
