"""Fuzzing: random bytes, valid frames, any cuts. Nothing raises, nothing is lost, nothing grows for ever."""

from __future__ import annotations

import tracemalloc
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from wslab import backplane, decode, tap
from wslab.event import Kind
from wslab.hook import Hook
from wslab.journal import Journal
from wslab.masking import register_secret
from wslab.replay import replay
from wslab.trace import Trace, begin, finish

REQUEST = (
    b"GET /?name=ada HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
DEFLATE = RESPONSE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

EXAMPLES = settings(deadline=None, suppress_health_check=list(HealthCheck))  # 100 examples, many more with --slow

cuts = st.lists(st.integers(1, 60), max_size=40)
words = [
    *[b"GET / HTTP/1.1\r\n", b"\r\n", b"\r\n\r\n", b"Host: x\r\n", b"Content-Length: 5\r\n", b"Upgrade: websocket\r\n"],
    *[b"Transfer-Encoding: chunked\r\n", b"5\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 101 x\r\n", b"HTTP/1.0 204 \r\n"],
    *[b"CONNECT x HTTP/1.1\r\n", b"INFO {}\r\n", b"//[", b"\xff", b"\x7f", b"\x81\x85", b"\x89\x00", b"\x88\x82abcd"],
    *[REQUEST, RESPONSE],
]
commands = st.sampled_from([b"PUB a 2\r\nhi\r\n", b"MSG a 1 2\r\nhi\r\n", b"+OK\r\n", b"SUB a 1\r\n"])
noise = st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(words)), max_size=25).map(b"".join)
frame = st.builds(
    lambda opcode, data, fin: Frame(opcode, data[:125] if opcode >= 8 else data, fin or opcode >= 8),
    st.sampled_from([opcode for opcode in Opcode if opcode is not Opcode.CLOSE]),
    st.one_of(st.binary(max_size=150), st.binary(min_size=1, max_size=3).map(lambda data: data * 30_000)),
    st.booleans(),
)
frames = st.lists(st.tuples(st.booleans(), frame), max_size=30)


def pieces(data, sizes):
    """`data` in pieces of these sizes, the last one being the rest."""
    for size in sizes:
        if not data:
            return
        yield data[:size]
        data = data[size:]
    if data:
        yield data


def run(chunks, *, end=True):
    """The events of chunks, each with its direction, and of both ends."""
    decoder = decode.Decoder()
    events = [event for up, data in chunks for event in decoder.feed(up, data)]
    return events + [event for up in (True, False) if end for event in decoder.end(up)]


@EXAMPLES
@given(st.lists(st.tuples(st.booleans(), noise, cuts), max_size=6))
@example([(True, b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n", [])])
def test_random_bytes(parts):
    """Whatever comes: no exception, at most one INVALID event a direction, and nothing after it."""
    events = run([(up, piece) for up, data, sizes in parts for piece in pieces(data, sizes)])
    for up in (True, False):
        kinds = [event.kind for event in events if event.up is up]
        assert Kind.INVALID not in kinds[:-1]


@EXAMPLES
@given(noise, noise, cuts, cuts)
def test_random_bytes_after_a_handshake(up, down, cuts_up, cuts_down):
    """Random bytes for frames: decoded or refused, and of what came no byte is lost."""
    start = [(True, REQUEST), (False, RESPONSE)]
    chunks = [(True, piece) for piece in pieces(up, cuts_up)] + [(False, piece) for piece in pieces(down, cuts_down)]
    events = run(start + chunks)
    for direction, head, data in ((True, REQUEST, up), (False, RESPONSE, down)):
        raw = b"".join(event.raw for event in events if event.up is direction)
        assert (head + data).startswith(raw)
        refused = any(event.kind is Kind.INVALID and event.up is direction for event in events)
        assert refused or raw == head + data


@EXAMPLES
@given(frames, cuts, st.booleans())
def test_valid_frames_in_any_pieces(sent, sizes, deflated):
    """Valid frames come out as they went in, however the bytes were cut, and every byte is in one of them."""
    chunks, expected = [(True, REQUEST), (False, DEFLATE if deflated else RESPONSE)], []
    for up, one in sent:
        data = one.serialize(mask=up)
        expected.append((up, one.opcode.name.lower(), bytes(one.data), one.fin, data))
        chunks += [(up, piece) for piece in pieces(data, sizes)]
    events = run(chunks)[2:]
    names = {"cont": "continuation"}
    told = [(event.up, event.kind.value, event.payload, event.fin) for event in events]
    assert told == [(up, names.get(kind, kind), data[: decode.KEEP_BYTES], fin) for up, kind, data, fin, _ in expected]
    assert [event.wire_bytes for event in events] == [len(raw) for *_, raw in expected]
    assert [event.raw for event in events] == [raw[: decode.KEEP_BYTES] for *_, raw in expected]
    assert [event.length for event in events] == [len(data) for _, _, data, _, _ in expected]


@EXAMPLES
@given(st.lists(st.tuples(st.booleans(), noise), max_size=6), cuts, st.binary(min_size=4, max_size=12))
def test_cuts_and_secrets_change_nothing_else(parts, sizes, secret):
    """Cut in any way the events are the same; with a secret registered nothing holds it, and every length stays."""
    plain = [(e.kind, e.up, e.length, e.wire_bytes, e.note) for e in run([(True, REQUEST), (False, RESPONSE), *parts])]
    register_secret(secret)
    cut = [(up, piece) for up, data in parts for piece in pieces(data, sizes)]
    events = run([(True, REQUEST), (False, RESPONSE), *cut])
    in_order = {up: [fact for fact in plain if fact[1] is up] for up in (True, False)}
    found = [(e.kind, e.up, e.length, e.wire_bytes, e.note) for e in events]
    assert {up: [fact for fact in found if fact[1] is up] for up in (True, False)} == in_order
    text = [event for event in events if event.kind in (Kind.TEXT, Kind.BINARY)]
    assert not any(secret in event.payload for event in text)


@EXAMPLES
@given(st.lists(st.tuples(st.booleans(), noise), max_size=6))
def test_the_tap_never_says_that_it_gave_up(parts):
    """What a decoder meets is always a recorded event, never the exception that would end its work."""
    relay = tap.Tap("127.0.0.1", 1, server="Server")
    connection, trace = tap.TapConnection(relay), Trace()
    begin(trace)
    try:
        for up, data in parts:
            connection.record(up, data)
        connection.record_end(True, "FIN")
        connection.record_end(False, "RST")
    finally:
        finish(trace)
    assert not [event.note for event in trace if "not decoded from here on" in event.note]


class Quiet:
    """A transport that takes everything."""

    def __getattr__(self, name):
        return lambda *_, **__: None


class Library:
    """A server that only opens connections."""

    handler_tasks: ClassVar[set] = set()

    def is_serving(self):
        return True

    async def handler(self, connection):
        await connection.handshake()


@EXAMPLES
@given(noise, st.lists(frame, max_size=8), noise, cuts)
async def test_the_hook_never_raises(head, sent, tail, sizes):
    """In the server's own connection: any bytes, in any pieces, leave records that can be read, and no exception."""
    hook, journal = Hook("Server"), Journal(1 << 16)
    hook.begin(journal)

    connection = hook(ServerProtocol(), Library(), ping_interval=None)
    connection.connection_made(Quiet())
    data = head + REQUEST + b"".join(one.serialize(mask=True) for one in sent) + tail
    for piece in pieces(data, sizes):
        connection.data_received(piece)
    connection.eof_received()
    connection.connection_lost(None)
    kinds = [event.kind for event in replay(journal, "Server")]
    assert kinds[-1] is Kind.END and kinds.count(Kind.INVALID) <= 2  # a head that another parser refuses, and a frame


@EXAMPLES
@given(st.lists(st.tuples(st.booleans(), st.one_of(noise, commands)), max_size=12))
def test_random_bytes_at_the_backplane(parts):
    """The protocol of NATS: no exception, whatever comes."""
    decoder = backplane.NatsDecoder()
    for up, data in [(False, b'INFO {"client_id":1}\r\n'), *parts]:
        decoder.feed(up, data)
    decoder.end(True)
    decoder.end(False)


STREAMS = {
    "a frame that never ends": (REQUEST + b"\x82\xff" + (1 << 25).to_bytes(8) + b"abcd", b"x"),
    "a head that never ends": (b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
    "a line that never ends": (b"GET /", b"x"),
    "a body that never ends": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nabcd\r\n"),
    "a frame too long": (REQUEST + b"\x82\xff" + (1 << 60).to_bytes(8) + b"abcd", b"x"),
    "no protocol": (b"\x00\x01", b"\x02"),
    "requests without answers": (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_no_stream_grows_for_ever(name):
    """After 24 MB of it a decoder holds no more than one frame or head may have."""
    first, more = STREAMS[name]
    decoder, chunk = decode.Decoder(), more * (65536 // len(more))
    decoder.feed(True, first if not first.startswith(REQUEST) else REQUEST)
    decoder.feed(False, RESPONSE if first.startswith(REQUEST) else b"")
    decoder.feed(True, first.removeprefix(REQUEST))
    tracemalloc.start()
    for _ in range(384):
        decoder.feed(True, chunk)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    allowed = decode.MAX_BYTES if name == "a frame that never ends" else 1 << 21
    assert memory < allowed
