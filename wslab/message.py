"""One message of HTTP/1.1: the bytes of a head in, what `h11` makes of it and of the body out.

Rules of this file: no I/O, and nothing of a body is kept beyond its first 64 KiB.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

import h11

from .masking import longest_secret, mask_secrets
from .stream import Stream
from .trace import KEEP_BYTES, Event, Kind

MAX_HEAD = 1 << 16

_FOLDED = re.compile(r"\r?\n[ \t]+")
_LINES = re.compile(r"\r?\n")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose answer is still to come: its method tells whether the answer has a body."""

    method: bytes = b"GET"
    upgrade: bool = False


class Message:
    """A request or an answer: its head, what `h11` makes of it, and what was read of its body since the last event.

    Raises:
        h11.RemoteProtocolError: If the head is not valid.
    """

    def __init__(self, up: bool, head: bytes, asked: Asked) -> None:
        self.head = head
        self.told = False
        self.kept, self.length = bytearray(), 0
        self._h11 = h11.Connection(h11.SERVER if up else h11.CLIENT)
        if not up:  # h11 wants to know the question; an answer may always switch protocols, whoever asked for it
            self._h11.send(h11.Request(method=asked.method, target="/", headers=[("Host", "x"), ("Upgrade", "x")]))
            self._h11.send(h11.EndOfMessage())
        self._h11.receive_data(head)
        event = self._h11.next_event()
        assert isinstance(event, h11.Request | h11.InformationalResponse | h11.Response)
        if event.http_version not in (b"1.0", b"1.1"):
            raise h11.RemoteProtocolError("unsupported protocol; expected HTTP/1.1 or HTTP/1.0")
        self.fields: dict[bytes, bytes] = {}
        for name, value in event.headers:
            self.fields[name] = b", ".join(filter(None, [self.fields.get(name), value]))
        self.method = event.method if isinstance(event, h11.Request) else asked.method
        if self.method == b"CONNECT":
            raise h11.RemoteProtocolError("CONNECT asks for a tunnel")
        self.status = None if isinstance(event, h11.Request) else event.status_code
        self.interim = isinstance(event, h11.InformationalResponse)  # RFC 9110 15.2: another one follows
        self.whole = self.interim or isinstance(self._h11.next_event(), h11.EndOfMessage)

    @property
    def upgrade(self) -> bool:
        """Does it ask for WebSocket (RFC 6455 4.1)?"""
        return self.fields.get(b"upgrade", b"").lower() == b"websocket"

    @property
    def media_type(self) -> str:
        """What its body is, without parameters."""
        return self.fields.get(b"content-type", b"").decode("iso-8859-1").partition(";")[0].strip().lower()

    def feed(self, data: bytes) -> None:
        """Add bytes of the body as they stand on the wire, chunk headers included; none at the end of the bytes."""
        self._h11.receive_data(data)
        while isinstance(event := self._h11.next_event(), h11.Data):
            room = KEEP_BYTES + longest_secret() - len(self.kept)
            self.kept += event.data[: max(room, 0)]
            self.length += len(event.data)


def read_head(stream: Stream) -> Generator[None, None, bytes]:
    """Read lines up to the empty one; bytes that are no HTTP are refused at their first line."""
    read = 0
    while True:
        line = bytes((yield from stream.read_line(MAX_HEAD - read)))
        if not read:
            Message(stream.up, line + b"Host: x\r\n\r\n", Asked())
        read += len(line)
        if line in (b"\r\n", b"\n"):
            return stream.take()


def head_event(message: Message) -> Event:
    """The event of a head: its first line and its headers, credentials masked."""
    head = _FOLDED.sub(" ", mask_secrets(message.head, head=True).decode("iso-8859-1"))
    lines = _LINES.split(head.rstrip("\r\n"))
    first = lines[0].split(" ", 2)
    return Event(
        kind=Kind.REQUEST if message.status is None else Kind.RESPONSE,
        code=message.status,
        headline=" ".join(first[:2] if message.status is None else first[1:]),
        headers=tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])),
    )
