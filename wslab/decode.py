"""Bytes of both directions of one TCP connection in, events out.

The parsers are the field's own: `h11` for HTTP (`http`), then `websockets.frames` and its permessage-deflate. What they
refuse becomes one event of kind INVALID with the parser's reason; the rest of that direction is not decoded.

Rules of this file: no I/O, and the events do not depend on how the bytes were cut into chunks.
"""

from __future__ import annotations

from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode

from .http import Http
from .masking import mask_secrets, remask
from .stream import Parse, Stream
from .trace import DATA, KEEP_BYTES, Event, Kind

KINDS = {
    Opcode.CONT: Kind.CONTINUATION,
    Opcode.TEXT: Kind.TEXT,
    Opcode.BINARY: Kind.BINARY,
    Opcode.CLOSE: Kind.CLOSE,
    Opcode.PING: Kind.PING,
    Opcode.PONG: Kind.PONG,
}

# A longer payload is refused: a declared length costs nothing to send, and a few compressed bytes may hold gigabytes.
MAX_BYTES = 1 << 26


class Decoder:
    """Decode one TCP connection: `feed` bytes, `end` a direction, and take the events that they return.

    An event comes without lanes, names or time: the tap adds them.
    """

    def __init__(self) -> None:
        self._out: list[Event] = []
        client, server = Stream(True), Stream(False)
        self._http = Http(client, server, self._out)
        self._streams = {True: client, False: server}
        client.parser, server.parser = self._asking(client), self._answering(server)

    def feed(self, up: bool, data: bytes) -> list[Event]:
        """Decode `data`, which went from client to server if `up`."""
        self._streams[up].feed(data)
        return self._pump(up)

    def end(self, up: bool) -> list[Event]:
        """Say that no more bytes come in this direction; half a frame becomes an INVALID event."""
        self._streams[up].end()
        return self._pump(up)

    @property
    def server_ends(self) -> bool:
        """Has the server said that it ends TCP after its answer ("Connection: close", RFC 9112 9.6)?"""
        return self._http.last

    def _pump(self, up: bool) -> list[Event]:
        self._streams[up].advance(self._out)
        if not up:  # the answer tells what the client's next bytes are
            self._streams[True].advance(self._out)
        out = list(self._out)
        self._out.clear()
        return out

    def _asking(self, stream: Stream) -> Parse:
        yield from self._http.requests()
        if self._http.switched:
            yield from self._frames(stream)

    def _answering(self, stream: Stream) -> Parse:
        answer = yield from self._http.answers()
        # The answer says what was agreed, whoever asked for it (RFC 7692 7.1).
        agreed = answer.fields.get(b"sec-websocket-extensions", b"").decode()
        if "permessage-deflate" in agreed:
            for side, other in zip(("server", "client"), (stream, self._streams[True]), strict=True):
                other.extensions.append(PerMessageDeflate(f"{side}_no_context_takeover" in agreed, False, 15, 15))
        yield from self._frames(stream)

    def _frames(self, stream: Stream) -> Parse:
        stream.framed = True
        while True:
            frame = yield from Frame.parse(
                stream.read_exact, mask=stream.up, max_size=MAX_BYTES, extensions=stream.extensions
            )
            self._out.append(frame_event(frame, stream, stream.take()))


def frame_event(frame: Frame, stream: Stream, raw: bytes, *, cut: bool = False) -> Event:
    """The event of a frame, whose bytes on the wire are `raw`; `cut` if both are only its beginning."""
    kind, up = KINDS[frame.opcode], stream.up
    content = bytes(frame.data)
    if kind in DATA:
        payload = stream.mask(content, more=cut or not frame.fin)
        stream.began(frame, content, raw)
    else:
        payload = mask_secrets(content)
    if payload != content:
        raw = remask(raw, payload, compressed=kind in DATA and stream.compressed)
    code, note = _close(frame, payload) if kind is Kind.CLOSE else (None, "")
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
        ordinal=stream.ordinal() if not up or (kind in DATA and frame.fin) else None,
    )


def _close(frame: Frame, payload: bytes) -> tuple[int | None, str]:
    """The code of a close frame (1005 where it has none, RFC 6455 7.1.5) and its reason; no code if not valid."""
    try:
        return int(Close.parse(frame.data).code), payload[2:].decode("utf-8", "replace")
    except UnicodeDecodeError:
        return None, "not valid: the reason is no UTF-8"
    except ProtocolError as exc:
        code = f" {int.from_bytes(payload)}" if len(payload) == 2 else ""
        return None, f"not valid: {exc}{code}"
