"""The decoder turns the bytes of both directions into events, however they are cut."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode, apply_mask
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from wslab.decode import MAX_BYTES, Decoder
from wslab.trace import KEEP_BYTES, Kind

GET = (
    b"GET /chat?name=ada HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
UP, DOWN = True, False
END = None
KEY = b"\x37\xfa\x21\x3d"


def decode(*chunks):
    """Feed (direction, bytes or END) pairs to a new decoder; return its events."""
    decoder = Decoder()
    events = []
    for up, data in chunks:
        events += decoder.end(up) if data is END else decoder.feed(up, data)
    return events


def frames(*chunks):
    """The events after an opening handshake."""
    events = decode((UP, GET), (DOWN, SWITCH), *chunks)
    assert [event.kind for event in events[:2]] == [Kind.REQUEST, Kind.RESPONSE]
    return events[2:]


def masked(first, payload):
    """A client's frame with the RFC's masking key."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + size.to_bytes(2)
    else:
        length = b"\xff" + size.to_bytes(8)
    return bytes([first]) + length + KEY + bytes(apply_mask(payload, KEY))


def assert_split_anywhere(*chunks):
    """Every stream, cut at every index, and byte for byte, gives the same events."""
    whole = decode(*chunks)
    for i, (up, data) in enumerate(chunks):
        for cut in range(1, len(data or b"")):
            parts = [(up, data[:cut]), (up, data[cut:])]
            assert decode(*chunks[:i], *parts, *chunks[i + 1 :]) == whole
    singly = [
        (up, piece)
        for up, data in chunks
        for piece in ([END] if data is END else [data[i : i + 1] for i in range(len(data))])
    ]
    assert decode(*singly) == whole
    return whole


# RFC 6455 section 4: opening handshake


def test_handshake():
    """Request and answer become an event each, with headline, headers and the bytes themselves."""
    request, response = assert_split_anywhere((UP, GET), (DOWN, SWITCH))
    assert (request.kind, request.up, request.headline) == (Kind.REQUEST, True, "GET /chat?name=ada")
    assert request.headers[:2] == (("Host", "127.0.0.1:8765"), ("Upgrade", "websocket"))
    assert request.raw == GET and request.wire_bytes == len(GET) and request.code is None
    assert (response.kind, response.up, response.code) == (Kind.RESPONSE, False, 101)
    assert response.headline == "101 Switching Protocols"
    assert response.raw == SWITCH and response.length == 0


@pytest.mark.parametrize(
    ("answer", "headline", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", "200 OK", b"yes"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno", "401 Unauthorized", b"no"),
        (
            b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
            "426 Upgrade Required",
            b"",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "204 No Content", b""),
    ],
)
def test_plain_http_answer(answer, headline, body):
    """An answer that does not switch protocols is an HTTP answer with its body."""
    events = assert_split_anywhere((UP, GET), (DOWN, answer), (DOWN, END), (UP, END))
    assert [event.headline for event in events] == ["GET /chat?name=ada", headline]
    assert events[1].payload == body and events[1].length == len(body) and events[1].raw == answer


def test_body_until_the_end_of_the_connection():
    """An answer without a length ends with its direction."""
    events = decode((UP, GET), (DOWN, b"HTTP/1.1 200 OK\r\n\r\nto the "), (DOWN, b"end"), (DOWN, END))
    assert events[1].payload == b"to the end"


def test_second_request_on_the_same_connection():
    """A connection may carry plain requests before it switches protocols."""
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
    events = assert_split_anywhere((UP, GET), (DOWN, refused), (UP, GET), (DOWN, SWITCH), (UP, masked(0x81, b"Hello")))
    assert [event.code for event in events] == [None, 401, None, 101, None]
    assert events[-1].text == "Hello"


def test_interim_answer():
    """A 1xx answer other than 101 does not answer the request (RFC 9110 15.2)."""
    events = decode((UP, GET), (DOWN, b"HTTP/1.1 103 Early Hints\r\n\r\n" + SWITCH), (UP, masked(0x81, b"Hello")))
    assert [event.code for event in events[1:3]] == [103, 101]
    assert events[-1].text == "Hello"


def test_frame_before_the_answer():
    """What a client sends too early is decoded as soon as the answer tells what it is."""
    events = decode((UP, GET + masked(0x81, b"Hello")), (DOWN, SWITCH))
    assert [event.kind for event in events] == [Kind.REQUEST, Kind.RESPONSE, Kind.TEXT]


# RFC 6455 section 5: frames


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # the examples of section 5.7
        ((DOWN, b"\x81\x05Hello"), (Kind.TEXT, b"Hello", True, False)),
        ((UP, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), (Kind.TEXT, b"Hello", True, True)),
        ((DOWN, b"\x01\x03Hel"), (Kind.TEXT, b"Hel", False, False)),
        ((DOWN, b"\x80\x02lo"), (Kind.CONTINUATION, b"lo", True, False)),
        ((DOWN, b"\x89\x05Hello"), (Kind.PING, b"Hello", True, False)),
        ((UP, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), (Kind.PONG, b"Hello", True, True)),
        ((DOWN, b"\x82\x7e\x01\x00" + bytes(256)), (Kind.BINARY, bytes(256), True, False)),
        ((DOWN, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + bytes(65536)), (Kind.BINARY, bytes(65536), True, False)),
    ],
)
def test_examples_of_the_rfc(data, expected):
    """Each example of RFC 6455 5.7 becomes the frame that it stands for."""
    (event,) = frames(data)
    assert (event.kind, event.payload, event.fin, event.masked) == expected
    assert event.raw == data[1][:KEEP_BYTES] and event.wire_bytes == len(data[1])
    assert event.rsv == 0 and event.up is data[0]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536])
@pytest.mark.parametrize("up", [True, False])
def test_lengths_against_the_library(size, up):
    """All three forms of the length are read (5.2), the library's serialiser being the oracle."""
    raw = Frame(Opcode.BINARY, bytes(i % 251 for i in range(size))).serialize(mask=up)
    (event,) = frames((up, raw))
    assert event.length == size and event.wire_bytes == len(raw) and event.raw == raw[:KEEP_BYTES]
    assert event.payload == bytes(i % 251 for i in range(size))[:KEEP_BYTES]


def test_fragments_with_control_frames_between():
    """Control frames stand between the fragments of a message (5.4); the message is counted once, at its end."""
    stream = masked(0x01, b"Hel") + masked(0x89, b"?") + masked(0x00, b"") + masked(0x80, b"lo") + masked(0x81, b"!")
    events = assert_split_anywhere((UP, GET), (DOWN, SWITCH), (UP, stream))[2:]
    assert [(event.kind, event.fin, event.ordinal, event.text) for event in events] == [
        (Kind.TEXT, False, None, "Hel"),
        (Kind.PING, True, None, "?"),
        (Kind.CONTINUATION, False, None, ""),
        (Kind.CONTINUATION, True, 0, "lo"),
        (Kind.TEXT, True, 1, "!"),
    ]


def test_frames_of_the_server_are_all_counted():
    """The ordinal of a frame from the server counts its frames, control frames included."""
    events = frames((DOWN, b"\x81\x01a\x89\x00\x01\x01b\x80\x01c\x88\x02\x03\xe8"))
    assert [event.ordinal for event in events] == [0, 1, 2, 3, 4]


# RFC 6455 sections 5.5.1 and 7.4: closing


@pytest.mark.parametrize(
    ("payload", "code", "note"),
    [
        (b"", 1005, ""),
        (b"\x03\xe8", 1000, ""),
        (b"\x03\xe9bye", 1001, "bye"),
        (b"\x0f\xa0" + "ü".encode(), 4000, "ü"),
        (b"\x03", None, "not valid: close frame too short"),
        (b"\x03\xed", None, "not valid: invalid status code 1005"),
        (b"\x03\xe7", None, "not valid: invalid status code 999"),
        (b"\x03\xe8\xff", None, "not valid: the reason is no UTF-8"),
    ],
)
def test_close(payload, code, note):
    """A close frame has its code and reason, or says why it is not valid."""
    (event,) = frames((UP, masked(0x88, payload)))
    assert (event.kind, event.code, event.note) == (Kind.CLOSE, code, note)


@pytest.mark.parametrize("cut", range(1, 11))
def test_end_in_the_middle_of_a_frame(cut):
    """Half a frame at the end of the connection is said to be one."""
    raw = masked(0x81, b"Hello")
    (event,) = frames((UP, raw[:cut]), (UP, END), (DOWN, END))
    assert (event.kind, event.note, event.raw) == (Kind.INVALID, "the bytes end in the middle", raw[:cut])


def test_end_between_frames():
    """An end after a whole frame is no event of the decoder's."""
    assert [event.kind for event in frames((UP, masked(0x81, b"x")), (UP, END), (DOWN, END))] == [Kind.TEXT]


def test_bytes_after_an_end_are_ignored():
    """An ended direction stays ended."""
    assert frames((UP, END), (UP, masked(0x81, b"x")), (UP, END)) == []


# Bytes that are no WebSocket


@pytest.mark.parametrize(
    ("up", "raw", "note"),
    [
        (UP, b"\x81\x05Hello", "incorrect masking"),
        (DOWN, masked(0x81, b"Hello"), "incorrect masking"),
        (UP, masked(0xC1, b"Hello"), "reserved bits must be 0"),
        (UP, masked(0x91, b"Hello"), "reserved bits must be 0"),
        (UP, masked(0x83, b"Hello"), "invalid opcode"),
        (UP, masked(0x8B, b""), "invalid opcode"),
        (UP, masked(0x89, bytes(126)), "control frame too long"),
        (UP, masked(0x09, b""), "fragmented control frame"),
        (
            DOWN,
            b"\x82\x7f" + (MAX_BYTES + 1).to_bytes(8),
            f"frame with {MAX_BYTES + 1} bytes exceeds limit of {MAX_BYTES} bytes",
        ),
        (DOWN, b"\x82\x7f" + b"\xff" * 8, f"frame with {2**64 - 1} bytes exceeds limit of {MAX_BYTES} bytes"),
    ],
)
def test_no_frame(up, raw, note):
    """What the library refuses is one event with its reason; the rest of that direction is left alone."""
    (event,) = assert_split_anywhere((UP, GET), (DOWN, SWITCH), (up, raw + b"\x81\x00" * 3))[2:]
    assert (event.kind, event.up, event.note) == (Kind.INVALID, up, note)
    assert raw.startswith(event.raw) and event.wire_bytes == len(event.raw)


def test_other_direction_goes_on():
    """A refused frame of the client leaves the server's direction readable."""
    events = frames((UP, b"\x81\x00"), (DOWN, b"\x88\x02\x03\xea"), (UP, b"more"))
    assert [(event.kind, event.code) for event in events] == [(Kind.INVALID, None), (Kind.CLOSE, 1002)]


def test_text_that_is_no_utf8_is_a_frame():
    """Invalid UTF-8 breaks a rule about messages (8.1), not about frames."""
    (event,) = frames((DOWN, b"\x81\x02\xff\x00"))
    assert (event.kind, event.payload, event.text) == (Kind.TEXT, b"\xff\x00", "\\xff\x00")


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        (b"hello\r\n", "illegal request line"),
        (b"\r\n", "no request line received"),
        (b"GET / HTTP/2.0\r\n\r\n", "unsupported protocol; expected HTTP/1.1 or HTTP/1.0"),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT asks for a tunnel"),
        (b"GET / HTTP/1.1\r\n\r\n", "Missing mandatory Host: header"),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", "illegal header line"),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", "longer than the parser allows"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 70000 + b"\r\n\r\n", "longer than the parser allows"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n", "longer than the parser allows"),
        (b"GET /\xc3\xbc HTTP/1.1\r\n\r\n", "illegal request line"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "bad Content-Length"),
    ],
)
def test_no_request(raw, note):
    """Bytes that are no HTTP request are one event, whose text does not depend on how they were cut."""
    (event,) = decode((UP, raw))
    assert (event.kind, event.note) == (Kind.INVALID, note)
    assert decode(*[(UP, raw[i : i + 7]) for i in range(0, len(raw), 7)]) == [event]


def test_answer_that_is_no_http():
    """A server that speaks something else is said to."""
    events = decode((UP, GET), (DOWN, b"220 mail ready\r\n"), (UP, b"more"), (UP, END))
    assert [event.kind for event in events] == [Kind.REQUEST, Kind.INVALID]


# RFC 7692: permessage-deflate


def compressed(no_context_takeover):
    """Both directions of a connection of the library's own, with compression agreed and three messages each way."""
    flags = dict(server_no_context_takeover=no_context_takeover, client_no_context_takeover=no_context_takeover)
    client = ClientProtocol(parse_uri("ws://127.0.0.1:1/"), extensions=[ClientPerMessageDeflateFactory(**flags)])
    server = ServerProtocol(extensions=[ServerPerMessageDeflateFactory(**flags)])
    chunks = []

    def carry():
        for up, one, other in ((UP, client, server), (DOWN, server, client)):
            for data in one.data_to_send():
                if data:
                    chunks.append((up, data))
                    other.receive_data(data)

    client.send_request(client.connect())
    carry()
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    carry()
    for text in (b"spam " * 20, b"spam " * 20, b"eggs " * 700):
        client.send_text(text)
        carry()
        server.send_text(text[:50], fin=False)
        server.send_ping(b"!")
        server.send_continuation(text[50:], fin=True)
        carry()
    client.send_close(1000, "bye")
    carry()
    return chunks


@pytest.mark.parametrize("no_context_takeover", [True, False])
def test_compression(no_context_takeover):
    """Compressed messages are shown decompressed, with the bytes of the wire beside."""
    chunks = compressed(no_context_takeover)
    events = assert_split_anywhere(*chunks)
    texts = [event for event in events if event.kind is Kind.TEXT and event.up]
    assert [event.payload for event in texts] == [b"spam " * 20, b"spam " * 20, b"eggs " * 700]
    assert all(event.rsv == 4 and event.wire_bytes < event.length for event in texts)
    assert (texts[1].wire_bytes < texts[0].wire_bytes) is not no_context_takeover
    down = [event.payload for event in events if event.kind in (Kind.TEXT, Kind.CONTINUATION) and not event.up]
    assert b"".join(down) == b"spam " * 40 + b"eggs " * 700
    assert [event.code for event in events if event.kind is Kind.CLOSE] == [1000, 1000]


def test_broken_compression():
    """Compressed data that cannot be decompressed is refused with the library's reason."""
    chunks = [chunk for chunk in compressed(False) if not chunk[1].startswith((b"\xc1", b"\x88"))][:2]
    events = decode(*chunks, (UP, masked(0xC1, b"\xff\xff\xff\xff")))
    assert (events[-1].kind, events[-1].note) == (Kind.INVALID, "decompression failed")


def test_a_compressed_bomb_is_refused():
    """A few bytes that stand for more than the limit are not decompressed."""
    chunks = compressed(True)[:2]
    encoder = ServerPerMessageDeflateFactory().process_request_params([], [])[1]
    raw = Frame(Opcode.TEXT, bytes(MAX_BYTES + 1)).serialize(mask=False, extensions=[encoder])
    events = decode(*chunks, (DOWN, raw))
    assert len(raw) < 100_000
    assert (events[-1].kind, events[-1].note) == (Kind.INVALID, f"frame exceeds limit of {MAX_BYTES} bytes")


# Any frames at all

payloads = st.binary(max_size=200) | st.integers(120, 130).map(bytes) | st.sampled_from([bytes(65535), bytes(65536)])
data_frames = st.builds(Frame, st.sampled_from([Opcode.CONT, Opcode.TEXT, Opcode.BINARY]), payloads, st.booleans())
control_frames = st.builds(Frame, st.sampled_from([Opcode.PING, Opcode.PONG, Opcode.CLOSE]), st.binary(max_size=125))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), data_frames | control_frames), max_size=12), st.data())
def test_any_frames(sequence, data):
    """Whatever frames cross, and however they are cut, they are what is decoded."""
    streams = [(up, frame.serialize(mask=up)) for up, frame in sequence]
    chunks = []
    for up, raw in streams:
        cut = data.draw(st.integers(0, len(raw)))
        chunks += [(up, raw[:cut]), (up, raw[cut:])]
    events = frames(*chunks)
    assert [(event.up, event.kind.name[:4], event.fin, event.payload) for event in events] == [
        (up, frame.opcode.name[:4], frame.fin, frame.data[:KEEP_BYTES]) for up, frame in sequence
    ]
    assert [event.raw for event in events] == [raw[:KEEP_BYTES] for _, raw in streams]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=8), st.booleans())
def test_any_bytes(chunks, opened):
    """No bytes make the decoder raise, and what is refused is said once a direction."""
    start = [(UP, GET), (DOWN, SWITCH)] if opened else []
    events = decode(*start, *chunks, (UP, END), (DOWN, END))
    for up in (UP, DOWN):
        assert sum(event.kind is Kind.INVALID and event.up is up for event in events) <= 1


# Large


def test_five_thousand_empty_fragments():
    """A message of many empty fragments is as many events, in a moment."""
    raw = masked(0x01, b"") + masked(0x00, b"") * 4998 + masked(0x80, b"")
    began = time.perf_counter()
    events = frames((UP, raw))
    assert len(events) == 5000 and events[-1].ordinal == 0
    assert time.perf_counter() - began < 2


def test_time_grows_with_the_length():
    """Ten times as many bytes, in chunks as they come from a socket, take about ten times as long."""

    def seconds(size):
        raw = Frame(Opcode.BINARY, bytes(size)).serialize(mask=False)
        chunks = [(DOWN, raw[i : i + 65536]) for i in range(0, len(raw), 65536)]
        best = 9.0
        for _ in range(3):
            began = time.process_time()
            (event,) = frames(*chunks)
            best = min(best, time.process_time() - began)
        assert event.length == size and len(event.raw) == len(event.payload) == KEEP_BYTES
        return best

    assert seconds(10_000_000) < 40 * max(seconds(1_000_000), 0.001)


def test_nul_bytes():
    """NUL bytes are bytes like any other."""
    (event,) = frames((DOWN, b"\x81\x03\x00a\x00"))
    assert (event.text, event.length) == ("\x00a\x00", 3)
