"""The frame bench: take a frame that a client sent, change its bits, send it to the live server, see the reaction.

A recording with its server in, a recording of the reaction out. The frame travels on a connection of its own, behind
the path of the recorded handshake, written byte by byte: no library is asked whether it may be sent.

Rules of this file: nothing is sent that was not asked for (no answer to a ping or a close frame), and the reaction is
complete when everything has come to rest, not after a time.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from .errors import LabError, say
from .loopback import HOST
from .masking import payload_start, unmask
from .pictures.labels import label
from .pictures.theme import fit
from .quiet import Recorded
from .recording import Recording, record
from .trace import FRAMES, Event, Kind

COLUMNS = 50  # of the reaction, in a title
BYTES = 20  # columns of a payload there
NAMES = {"fin": "FIN", "rsv": "RSV", "opcode": "opcode", "mask": "MASK", "length": "length", "payload": "payload"}


class Edits(TypedDict, total=False):
    """What to change in a frame (RFC 6455 5.2)."""

    fin: bool
    rsv: int
    opcode: int
    mask: bool
    length: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A frame as it is to be sent: `length` is what its header declares, `payload` what follows, before masking."""

    fin: bool
    rsv: int
    opcode: int
    mask: bool
    length: int
    payload: bytes
    key: bytes

    @classmethod
    def of(cls, event: Event) -> Draft:
        """The frame of `event` as it crossed the wire; where a secret was masked, asterisks stand in."""
        raw, start = event.raw, payload_start(event.raw)
        payload = unmask(raw, start, raw[start:])
        key = raw[start - 4 : start] if event.masked else b"\x00" * 4
        return cls(event.fin, event.rsv, raw[0] & 0x0F, event.masked, len(payload), payload, key)

    def edit(self, edits: Edits) -> Draft:
        """The frame with some of its parts changed; a new payload brings its length, unless that is given too.

        Raises:
            LabError: If there is no such part, or its value does not fit into it.
        """
        for name, value in edits.items():
            _judge(name, value)
        if "payload" in edits and "length" not in edits:
            edits = {**edits, "length": len(edits["payload"])}
        return replace(self, **edits)

    def __bytes__(self) -> bytes:
        short = self.length if self.length < 126 else 126 if self.length < 1 << 16 else 127
        more = b"" if short < 126 else self.length.to_bytes(2 if short == 126 else 8)
        head = bytes([self.fin << 7 | self.rsv << 4 | self.opcode, self.mask << 7 | short]) + more
        if not self.mask:
            return head + self.payload
        return head + self.key + bytes(byte ^ self.key[i % 4] for i, byte in enumerate(self.payload))


class FrameBench:
    """Arrow `number` of `recording`, a client's frame, ready to be changed and sent: `await bench.send(fin=False)`.

    Raises:
        RecordingError: If the recording has no such arrow.
        LabError: If it is no frame that a client sent, was not kept as a whole, or nothing is there to send it to.
    """

    def __init__(self, recording: Recording, number: int) -> None:
        event = recording.arrow(number)
        if event.kind not in FRAMES or not event.up or event.relayed:
            raise LabError(say("arrow {number} is no frame that a client sent: take one of those", number=number))
        if len(event.raw) != event.wire_bytes:
            raise LabError(
                say("arrow {number} is longer than what a recording keeps: take a smaller frame", number=number)
            )
        self.draft = Draft.of(event)
        self._path = _path(recording, event)
        self._server = _server(recording, event)
        self._port = next(tap.port for tap in self._server.taps if tap.server == event.tap)
        self._recording, self._number = recording, number

    def __repr__(self) -> str:
        return str(self._recording.bytes(self._number))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self._recording.bytes(self._number)._repr_mimebundle_(include, exclude)

    async def send(self, *edits: Edits, **last: Unpack[Edits]) -> Recording:
        """Send one frame on a new connection, and return the recording of what the server does then.

        Args:
            edits: Of frames to be sent before it, each a dictionary; `{}` is the frame as it was recorded.
            last: `fin`, `mask`: True or False; `rsv`: 0 to 7, of which RSV1 is 4; `opcode`: 0 to 15; `payload`: other
                bytes; `length`: declare so many bytes, whatever follows.

        Raises:
            LabError: If a value does not fit, or the server is not running.
            RecordingError: If the server does not come to rest.
        """
        frames = [self.draft.edit(each) for each in (*edits, last)]
        with record(self._server) as recording:
            reader, writer = await asyncio.open_connection(HOST, self._port)
            reading = asyncio.create_task(_read(reader, writer))
            try:
                writer.write(_request(self._path))
                await recording.settled()
                if any(event.code == 101 for event in recording.trace):
                    writer.write(b"".join(map(bytes, frames)))
                    await recording.settled()
            except BaseException:
                writer.transport.abort()
                raise
            finally:
                reading.cancel()
        with record(self._server) as afterwards:  # what leaving without a word does is no reaction to the frame
            writer.transport.abort()
            await afterwards.settled()
        recording.title = f"{_edited((*edits, last))}: {_reaction(recording)}"
        return recording


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take what the server sends, and end TCP when it does."""
    with suppress(OSError):
        while await reader.read(1 << 16):
            pass
        writer.close()


def _judge(name: str, value: object) -> None:
    """Raise LabError unless `value` fits into the part called `name`."""
    most = {"rsv": 7, "opcode": 15, "length": (1 << 64) - 1}
    if name not in NAMES:
        raise LabError(say("a frame has no part {name!r}: it has {names}", name=name, names=", ".join(NAMES)))
    if name in most and not (type(value) is int and 0 <= value <= most[name]):
        raise LabError(
            say("{name} is a number from 0 to {most}, not {value!r}", name=name, most=most[name], value=value)
        )
    if name in ("fin", "mask") and type(value) is not bool:
        raise LabError(say("{name} is one bit, True or False, not {value!r}", name=name, value=value))
    if name == "payload" and not isinstance(value, bytes):
        raise LabError(say("payload is bytes, such as b'hello', not {value!r}", value=value))


def _path(recording: Recording, event: Event) -> str:
    """The path that this connection asked for."""
    asked = (
        each
        for each in recording.trace
        if (each.kind, each.connection, each.life) == (Kind.REQUEST, event.connection, event.life) and not each.relayed
    )
    request = next(asked, None)
    return request.headline.split(" ")[1] if request is not None else "/"


def _server(recording: Recording, event: Event) -> Recorded:
    server = next((each for each in recording.servers if any(tap.server == event.tap for tap in each.taps)), None)
    if server is None or not server.running:
        raise LabError(say("the server of this recording is not running: serve and record again, then take the frame"))
    return server


def _request(path: str) -> bytes:
    """An opening handshake (RFC 6455 4.1)."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {HOST}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("iso-8859-1")


def _edited(frames: tuple[Mapping[str, object], ...]) -> str:
    """What was changed, frame by frame."""
    return say(", then ").join(
        " ".join(f"{NAMES[name]}={_told(value)}" for name, value in edits.items()) or say("as recorded")
        for edits in frames
    )


def _told(value: object) -> str:
    return fit(repr(value), BYTES) if isinstance(value, bytes) else f"{value:d}"


def _reaction(recording: Recording) -> str:
    """What the server did last, in the words of its arrow."""
    down = [row.event for row in recording.rows if not row.event.up and row.event.kind in FRAMES | {Kind.RESPONSE}]
    if not down or down[-1].code == 101:
        return say("no answer")
    return label(down[-1]).fit(COLUMNS)
