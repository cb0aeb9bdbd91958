"""What the check of 5.1, read the frame, looks at, in the order in which a learner reads it.

A client and a server of the check's own talk, and each frame that was recorded is handed to the learner's function.
"""

import asyncio
import contextlib
import enum
import random
import secrets

from websockets import connect

from wslab import serve
from wslab.judge import Driver, Raised, Wrong, behaviour
from wslab.recording import record
from wslab.trace import FRAMES, Kind

WAIT_S = 2.0
KEYS = ["fin", "opcode", "masked", "length", "payload"]
OPCODES = {Kind.CONTINUATION: 0, Kind.TEXT: 1, Kind.BINARY: 2, Kind.CLOSE: 8, Kind.PING: 9, Kind.PONG: 10}
LENGTHS = [256, 0, 125, 126, 3000, 65535, 65536]
UNMASKED = 3000  # bytes: byte by byte is a fine way to take a mask off, but a slow one


class Reading(Driver):
    """Asks the learner's function; a number or bytes of another kind is a number, or bytes, like any other."""

    async def read(self, data):
        told = self.answer(data)
        if asyncio.iscoroutine(told):
            told = await told
        return {key: _plain(value) for key, value in told.items()} if isinstance(told, dict) else told


def _plain(value):
    if isinstance(value, enum.IntEnum):
        return int(value)
    return bytes(value) if isinstance(value, bytearray | memoryview) else value


@behaviour("5.1", "text, binary, ping, pong and close from the server")
async def from_the_server(answer):
    async with _reading(answer, _kinds) as (rows, reading):
        for row in rows:
            if not row.event.up:
                await _judge(reading, row)


@behaviour("5.1", "the same from the client: masked")
async def from_the_client(answer):
    async with _reading(answer, _kinds) as (rows, reading):
        for row in rows:
            if row.event.up:
                await _judge(reading, row)


@behaviour("5.1", "payloads of 0 to 65,536 bytes, at the borders of the three forms")
async def lengths(answer):
    async with _reading(answer, _long) as (rows, reading):
        for row in rows:
            if not row.event.masked or row.event.length <= UNMASKED:
                await _judge(reading, row)


@behaviour("5.1", "fragments: one message in several frames")
async def fragments(answer):
    async with _reading(answer, _fragments) as (rows, reading):
        for row in rows:
            await _judge(reading, row)


@behaviour("5.1", "a frame that has not arrived as a whole")
async def cut(answer):
    for talk in _kinds, _long:
        async with _reading(answer, talk) as (rows, reading):
            for row in rows:
                whole = _whole(row.event)
                header = len(whole) - row.event.length
                for end in sorted({*range(header), min(header + UNMASKED, len(whole) - 1)}):
                    await _judge_cut(reading, row, whole[:end], len(whole) - end)


# What is said on the wire --------------------------------------------------------------------------------------


async def _kinds(ws):
    """Short frames of all kinds but one; the close frame comes by itself."""
    await ws.send(secrets.token_hex(random.randint(3, 9)))
    await ws.send(f"{secrets.token_hex(2)} 🎈 é")
    await ws.send(b"\xff\x00" + secrets.token_bytes(random.randint(3, 9)))
    await (await ws.ping(f"are you there, {secrets.token_hex(2)}?"))


async def _long(ws):
    for length in LENGTHS:
        await ws.send(random.choice("abcdefgh") + "x" * (length - 1) if length else "")


async def _fragments(ws):
    await ws.send([secrets.token_hex(2) for _ in range(3)])
    await ws.send([secrets.token_bytes(4) for _ in range(2)])


@contextlib.asynccontextmanager
async def _reading(answer, talk):
    """The frames, as rows, of a fresh recording in which client and server both `talk`, and the learner's function."""
    inside = asyncio.get_running_loop().create_future()

    async def handler(ws):
        inside.set_result(ws)
        async for _ in ws:
            pass

    server = await serve(handler, name="Judge's server", close_timeout=WAIT_S)
    try:
        with record(server) as answer.recording:
            async with connect(server.url, compression=None, proxy=None) as client:
                hearing = asyncio.create_task(_hear(client))
                for ws in (await inside, client):
                    await talk(ws)
                await answer.recording.settled(resident=[hearing])
            await hearing
            await answer.recording.settled()
    finally:
        await server.stop()
    rows = [row for row in answer.recording.rows if row.event.kind in FRAMES]
    async with answer.driven(Reading) as reading:
        yield rows, reading


async def _hear(client):
    async for _ in client:
        pass


def _whole(frame):
    """All bytes of a frame. A recording keeps its first 64 KiB: the rest is payload, masked like what is before it."""
    missing = frame.wire_bytes - len(frame.raw)
    if not missing:
        return frame.raw
    header = frame.wire_bytes - frame.length
    rest = range(frame.length - missing, frame.length)
    key = frame.raw[header - 4 : header] if frame.masked else bytes(4)
    return frame.raw + bytes(frame.payload[place] ^ key[place % 4] for place in rest)


# What is said of it --------------------------------------------------------------------------------------------


async def _judge(reading, row):
    frame, whole = row.event, _whole(row.event)
    facts = {
        "did": f"frame_info({_short(whole)}), a frame {'of the client' if frame.up else 'of the server'}",
        "where": lambda event: event == row.event,
    }
    real = {
        "fin": frame.fin,
        "opcode": OPCODES[frame.kind],
        "masked": frame.masked,
        "length": frame.length,
        "payload": frame.payload,
    }
    try:
        told = await reading.do("read", whole, what="frame_info")
    except Raised as exc:
        raise Wrong(
            f"5.1 whole frame: your function raised {exc} for a frame of {len(whole)} bytes, of which none is missing.",
            expected=_list(real),
            saw=str(exc),
            **facts,
        ) from None
    if not isinstance(told, dict) or not set(told) >= set(KEYS):
        raise Wrong(
            f"5.1 result: frame_info returned {_short(told)}; it has to be a dictionary with the keys "
            f"{', '.join(KEYS)}.",
            expected=_list(real),
            saw=_short(told),
            **facts,
        )
    facts |= {"expected": _list(real), "saw": _list(told)}
    for key in KEYS:
        if told[key] != real[key]:
            raise Wrong(f"5.1 {_line(row, whole, key, told[key], real[key])}", **facts)


def _line(row, whole, key, told, real):
    masked = row.event.masked
    match key:
        case "fin" if type(told) is not bool:
            return f"fin: you said {_short(told)}, expected {real}: write bool(...) around it."
        case "fin" if not real:
            return f"fragment: frame {row.number} has fin False: the message continues."
        case "fin":
            return "fin: you said False, expected True: the highest bit of byte 0 is 1, the message ends here."
        case "opcode" if told == whole[0]:
            return f"opcode: you said 0x{told:02x}, expected {real}: mask with 0x0F."
        case "opcode":
            return f"opcode: you said {_short(told)}, expected {real}: the last four bits of byte 0."
        case "masked" if type(told) is not bool:
            return f"masked: you said {_short(told)}, expected {real}: write bool(...) around it."
        case "masked":
            return f"masked: you said {told}, expected {real}: the highest bit of byte 1."
        case "length" if masked and told == whole[1]:
            return (
                f"length: you said {told}, expected {real}: the highest bit of byte 1 is MASK; take it off with 0x7F."
            )
        case "length" if told == int.from_bytes(real.to_bytes(2 if real < 65536 else 8, "big"), "little"):
            return f"length {real}: you said {told}; network order is big endian."
        case "length" if real < 126:
            return (
                f"length: you said {_short(told)}, expected {real}: the last seven bits of byte 1; they count the "
                "payload only."
            )
        case "length":
            return f"length {real}: you said {_short(told)}. 126 and 127 announce a longer length field."
        case "payload" if not isinstance(told, bytes):
            return f"payload: you gave {_short(told)}, expected bytes, as they are before anybody decodes them."
        case "payload" if masked and told and told in whole:
            return f"client frame: payload {_short(told)} is still masked; client-to-server frames carry a 4-byte key."
    return f"payload: you gave {_short(told)}; it is {_short(real)}."


async def _judge_cut(reading, row, data, missing):
    facts = {
        "did": f"frame_info({_short(data)}), the beginning of a frame",
        "expected": "ValueError",
        "where": lambda event: event == row.event,
    }
    try:
        saw = _short(await reading.do("read", data, what="frame_info"))
    except Raised as exc:
        if exc.isa("ValueError"):
            return
        saw = str(exc)
    raise Wrong(
        f"5.1 cut frame: {missing} {'byte' if missing == 1 else 'bytes'} missing, expected ValueError: TCP may deliver "
        "half a frame.",
        saw=saw,
        **facts,
    )


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _list(info):
    return ", ".join(f"{key} {_short(info[key])}" for key in KEYS)
