"""The HTTP/1.1 of one TCP connection: requests and answers in, an event each out, and one for each part of a stream.

`h11` judges heads and bodies and says how a body is framed (`message`). A body with a length belongs to the event of
its head, as does one that ends with the connection; of a chunked body, and of an event stream, every part is an event
of kind BODY as it crosses, the last of them with `fin`. What is switched to WebSocket is left to `decode`.

Rules of this file: no I/O, and nothing of a body is kept beyond its first 64 KiB.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import replace

import h11

from .masking import mask_secrets
from .message import MAX_HEAD, Asked, Message, head_event, read_head
from .stream import Parse, Stream
from .trace import KEEP_BYTES, Event, Kind

MAX_LINE = 1 << 12  # of a chunk's size
MAX_AHEAD = 1000  # requests that wait for an answer
EVENT_STREAM = "text/event-stream"


class Http:
    """Both directions, until the connection is `switched` to WebSocket; events go to `out`."""

    def __init__(self, client: Stream, server: Stream, out: list[Event]) -> None:
        self.switched = False
        self.last = False  # the server has said that no other answer follows
        self._client, self._server, self._out = client, server, out
        self._asked: deque[Asked] = deque()
        self._request: Message | None = None  # the one that is being read

    def requests(self) -> Parse:
        """Parse what the client sends; returns once the connection is switched, or can no more be."""
        stream = self._client
        while True:
            while not self.switched and (self._upgrading or not (stream.reader.buffer or stream.ended)):
                if self._upgrading and self._server.parser is None:
                    return
                if len(stream.reader.buffer) > MAX_HEAD:
                    raise h11.RemoteProtocolError("longer than the parser allows")
                yield
            if self.switched:
                return
            head = yield from read_head(stream)
            self._request = request = Message(True, head, Asked())
            if len(self._asked) == MAX_AHEAD:
                raise h11.RemoteProtocolError(f"more than {MAX_AHEAD} requests wait for an answer")
            self._asked.append(Asked(request.method, request.upgrade))
            yield from self._body(stream, request, counted=False)

    def answers(self) -> Generator[None, None, Message]:
        """Parse what the server sends; returns the answer that switches the connection."""
        stream = self._server
        while True:
            head = yield from read_head(stream)
            asked = self._asked[0] if self._asked else Asked()
            message = Message(False, head, asked)
            self.last = self.last or message.fields.get(b"connection", b"").lower() == b"close"
            if self._request is not None and not self._request.told:  # it is answered before its end
                self._tell(self._client, self._request, more=True)
            if message.status == 101:
                self._tell(stream, message)
                self.switched = True
                return message
            yield from self._body(stream, message, counted=not asked.upgrade)
            if self._asked and not message.interim:
                self._asked.popleft()

    @property
    def _upgrading(self) -> bool:
        """Does the client wait to hear whether the connection is switched?"""
        return bool(self._asked) and self._asked[-1].upgrade

    def _body(self, stream: Stream, message: Message, *, counted: bool) -> Parse:
        """Read the body and tell the message, its parts as they come; `counted`: they are handler's deeds."""
        chunked = b"transfer-encoding" in message.fields
        counted = counted and not message.interim
        try:
            if message.whole:
                pass
            elif chunked:
                self._tell(stream, message, counted=counted)
                yield from self._chunks(stream, message, counted)
            elif (size := message.fields.get(b"content-length")) is not None:
                left = int(size)
                while left:
                    data = yield from stream.read_some(left)
                    left -= len(data)
                    message.feed(data)
            elif message.media_type == EVENT_STREAM:
                self._tell(stream, message)
                yield from self._events(stream, message)
            else:
                while True:
                    message.feed((yield from stream.read_some(KEEP_BYTES)))
        except EOFError:
            try:
                message.feed(b"")  # h11 says what is missing, or that this is how the body ends
            except h11.RemoteProtocolError:
                if message.length or not message.told:
                    self._tell(stream, message, counted=counted, more=True, around=(stream.take(), b""))
                elif not stream.up and self._client.ended:
                    raise EOFError from None  # the client left between two parts: nothing is broken
                raise
        if not chunked or message.whole:
            self._tell(stream, message, counted=counted)
        if stream.up:
            self._request = None

    def _chunks(self, stream: Stream, message: Message, counted: bool) -> Parse:
        """Each chunk, then the last one with the trailers (RFC 9112 7.1)."""
        while True:
            line = bytes((yield from stream.read_line(MAX_LINE)))
            message.feed(line)
            left = int(line.partition(b";")[0], 16)
            if not left:
                break
            while left:
                data = yield from stream.read_some(left)
                left -= len(data)
                message.feed(data)
            end = bytes((yield from stream.read_exact(2)))
            message.feed(end)
            stream.take()
            self._tell(stream, message, counted=counted, more=True, around=(line, end))
        while line not in (b"\r\n", b"\n"):  # h11 limits all trailers together
            line = bytes((yield from stream.read_line(MAX_LINE)))
            message.feed(line)
        self._tell(stream, message, around=(stream.take(), b""))

    def _events(self, stream: Stream, message: Message) -> Parse:
        """Each event of an event stream that only ends with the connection: lines until an empty one."""
        while True:
            try:
                line = bytes((yield from stream.read_line(MAX_HEAD)))
            except EOFError:
                if stream.reader.buffer:
                    message.feed((yield from stream.read_some(MAX_HEAD)))
                raise
            message.feed(line)
            stream.take()
            if line in (b"\r\n", b"\n"):
                self._tell(stream, message, more=True)

    def _tell(
        self,
        stream: Stream,
        message: Message,
        *,
        counted: bool = False,
        more: bool = False,
        around: tuple[bytes, bytes] = (b"", b""),
    ) -> None:
        """Make an event of the head with what was read of the body, or of a part of the body that came after it.

        `more`: the body goes on. `around` are the bytes on the wire that frame the part.
        """
        part = message.told
        content, length = bytes(message.kept), message.length
        masked = stream.mask(content, more=more or length > len(content), body=True)[:KEEP_BYTES]
        stream.passed(content, more=more)
        before, after = around if part else (message.head, b"")
        raw = mask_secrets(before, head=True) + masked + after
        event = Event(kind=Kind.BODY, fin=not more, headline=message.media_type) if part else head_event(message)
        message.told, message.kept, message.length = True, bytearray(), 0
        asked = stream.up and not part and not message.upgrade
        self._out.append(
            replace(
                event,
                up=stream.up,
                raw=raw[:KEEP_BYTES],
                payload=masked,
                length=length,
                wire_bytes=len(before) + length + len(after),
                ordinal=stream.ordinal() if asked or (counted and (more or not part)) else None,
            )
        )
