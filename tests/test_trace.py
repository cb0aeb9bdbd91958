"""A trace keeps events, saves and loads them, and no secret ever enters one."""

import base64
import zlib

import pytest
from test_decode import DOWN, END, GET, SWITCH, UP, compressed, decode, masked
from websockets.frames import Frame, Opcode, apply_mask

from wslab import masking
from wslab.errors import RecordingError
from wslab.masking import mask_secrets, register_secret
from wslab.trace import MAX_EVENTS, Cause, Event, Kind, Take, Trace, begin, finish, publish


@pytest.fixture(autouse=True)
def no_secrets():
    """Each test begins and ends without registered secrets."""
    masking._secrets = ()
    yield
    masking._secrets = ()


def leaks(events, secret):
    """Where `secret` can be read in `events`, raw bytes unmasked included."""
    found = []
    for event in events:
        raw = event.raw
        if event.masked or (event.kind is Kind.INVALID and len(raw) > 6 and raw[1] & 0x80):
            raw = raw + apply_mask(raw[6:], raw[2:6])
        for name, data in (
            ("raw", raw),
            ("payload", event.payload),
            ("note", event.note.encode()),
            ("headline", event.headline.encode()),
            ("headers", repr(event.headers).encode()),
        ):
            if secret in data:
                found.append((event.kind, name))
    return found


# Keeping


def test_steps_and_times():
    """An event gets the step and the time of the trace that it enters."""
    trace = Trace(taps=["Server"])
    begin(trace)
    try:
        publish(Event(kind=Kind.TEXT, tap="Server"))
        trace.step += 1
        publish(Event(kind=Kind.TEXT, tap="Server"))
        publish(Event(kind=Kind.TEXT, tap="Other"))
        publish(Event(kind=Kind.LOG))
        publish(Take("ada", 0, 0, 1))
    finally:
        finish(trace)
        finish(trace)
    publish(Event(kind=Kind.LOG))
    assert [(event.kind, event.step) for event in trace] == [(Kind.TEXT, 0), (Kind.TEXT, 1), (Kind.LOG, 1)]
    assert 0 <= trace.events[0].at <= trace.events[1].at
    assert trace.takes == {("ada", 0, 0): 1}


def test_full():
    """A trace takes 20,000 events and says that there were more."""
    trace = Trace()
    for _ in range(MAX_EVENTS):
        trace.offer(Event(kind=Kind.PING))
    assert len(trace) == MAX_EVENTS == 20_000 and not trace.full
    trace.offer(Event(kind=Kind.PING))
    assert len(trace) == MAX_EVENTS and trace.full


# Saving


EVENTS = [
    Event(kind=Kind.REQUEST, connection="ada", raw=GET, headline="GET /", headers=(("Host", "x"), ("A", "b"))),
    Event(kind=Kind.TEXT, up=False, payload="ü \u2028 \x85 \n \x00 💡".encode(), length=17, step=1, at=0.25, ordinal=0),
    Event(
        kind=Kind.BINARY, raw=bytes(range(256)), payload=b"\xff\xfe", fin=False, rsv=4, masked=True, lost=True, life=2
    ),
    Event(kind=Kind.CLOSE, code=1000, note="bye \u2028\u2029\x85\x1c \ud800", keepalive=False),
    Event(kind=Kind.LOG, cause=Cause("ada", -1, 3, 1, True), tap="", number=7),
]


def test_save_and_load(tmp_path):
    """What was saved is what is loaded, whatever the payloads hold."""
    trace = Trace(EVENTS)
    trace.take(Take("ada\u2028", 0, 0, 2))
    trace.save(tmp_path / "one.jsonl")
    again = Trace.load(tmp_path / "one.jsonl")
    assert again.events == EVENTS and again.takes == trace.takes and again.step == 1
    assert (tmp_path / "one.jsonl").read_bytes().count(b"\n") == len(EVENTS) + 1
    assert [path.name for path in tmp_path.iterdir()] == ["one.jsonl"]


def test_save_replaces_as_a_whole(tmp_path):
    """A recording that cannot be written leaves the former one as it was."""
    path = tmp_path / "one.jsonl"
    Trace(EVENTS[:1]).save(path)
    former = path.read_bytes()
    bad = Trace([Event(kind=Kind.LOG, headers=object())])
    with pytest.raises(TypeError):
        bad.save(path)
    assert path.read_bytes() == former and len(list(tmp_path.iterdir())) == 1


def test_empty_trace(tmp_path):
    """A trace without events is a file without lines."""
    Trace().save(tmp_path / "none.jsonl")
    assert (tmp_path / "none.jsonl").read_bytes() == b"" and len(Trace.load(tmp_path / "none.jsonl")) == 0


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"3",
        b"null",
        b'"take"',
        b"",
        b"\xff\xfe",
        b'{"kind": "song"}',
        b'{"step": 1}',
        b'{"kind": "text", "colour": "red"}',
        b'{"kind": "text", "raw": "###"}',
        b'{"kind": "text", "step": "one"}',
        b'{"kind": "text", "code": "1000"}',
        b'{"kind": "text", "cause": 3}',
        b'{"kind": "text", "cause": {"connection": "ada"}}',
        b'{"kind": "text", "headers": [3]}',
        b'{"take": [1]}',
        b'{"take": ["ada", 0, "x", 1]}',
    ],
)
def test_damaged_file(tmp_path, line):
    """A file that is no recording is refused with the number of the line."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"kind": "text"}\n' + line + b'\n{"kind": "text"}\n')
    with pytest.raises(RecordingError, match=r"^bad\.jsonl, line 2: no event \("):
        Trace.load(path)


def test_missing_file(tmp_path):
    """A file that is not there is said to be so, without a traceback."""
    with pytest.raises(RecordingError, match=r"^none\.jsonl cannot be read: No such file"):
        Trace.load(tmp_path / "none.jsonl")


# Secrets in an HTTP head


HEAD = (
    b"GET /chat?name=ada&token=abc123&x=1;Ticket=zz HTTP/1.1\r\nHost: x\r\nAUTHORIZATION: Bearer abc123\r\n"
    b"Cookie: session=abc123\r\nProxy-Authorization : Basic abc123\r\nX-XSRFToken:abc123\r\n\r\n"
)


def test_credentials_of_a_head():
    """Credentials of a request are masked to the same length, in all places where they stand."""
    (event,) = decode((UP, HEAD.replace(b"Authorization :", b"Authorization:")))
    assert leaks([event], b"abc123") == []
    assert event.headline == "GET /chat?name=ada&token=******&x=1;Ticket=**"
    assert len(event.raw) == event.wire_bytes == len(HEAD) - 1
    assert dict(event.headers) == {
        "Host": "x",
        "AUTHORIZATION": "*" * 13,
        "Cookie": "*" * 14,
        "Proxy-Authorization": "*" * 12,
        "X-XSRFToken": "*" * 6,
    }


def test_cookie_of_an_answer():
    """So is the cookie that an answer sets, and a token in the address that it points to."""
    answer = (
        b"HTTP/1.1 302 Found\r\nSet-Cookie: s=abc123; HttpOnly\r\nLocation: /?token=abc123\r\nContent-Length: 0\r\n\r\n"
    )
    events = decode((UP, GET), (DOWN, answer))
    assert leaks(events, b"abc123") == [] and len(events[1].raw) == len(answer)


@pytest.mark.parametrize("raw", [HEAD, HEAD[:100], b"GET / HTTP/1.1\r\nAuthorization:\r\n Basic abc123\r\n\r\n"])
def test_head_that_is_refused(raw):
    """A head that is cut or refused is masked as a whole one is."""
    (event,) = decode((UP, raw), (UP, END))
    assert event.kind is Kind.INVALID and leaks([event], b"abc123") == [] and event.wire_bytes == len(event.raw)


def test_reason_holds_no_excerpt():
    """The reason of a refusal does not repeat what was read."""
    (event,) = decode((UP, b"GET / HTTP/1.1\r\nHost: x\r\nCookie: abc\x00123\r\n\r\n"))
    assert event.note == "illegal header line"


# Registered secrets


def test_registered_secret_in_a_message():
    """A registered secret is masked in payload and raw bytes; the frame keeps its masking and its lengths."""
    register_secret("hunter2")
    raw = masked(0x81, b'{"token": "hunter2"}')
    events = decode((UP, GET), (DOWN, SWITCH), (UP, raw), (DOWN, b"\x81\x07hunter2"))
    assert [event.text for event in events[2:]] == ['{"token": "*******"}', "*******"]
    assert [event.length for event in events[2:]] == [20, 7]
    assert leaks(events, b"hunter2") == []
    assert events[2].raw == masked(0x81, b'{"token": "*******"}') and events[3].raw == b"\x81\x07*******"


@pytest.mark.parametrize("size", [200, 70_000])
def test_secret_in_a_long_message(size):
    """Longer forms of the length have their headers kept, and what is cut off is masked before."""
    register_secret("hunter2")
    payload = b"x" * (size - 7) + b"hunter2"
    for up in (UP, DOWN):
        raw = Frame(Opcode.TEXT, payload).serialize(mask=up)
        event = decode((UP, GET), (DOWN, SWITCH), (up, raw))[-1]
        assert leaks([event], b"hunter2") == [] and event.wire_bytes == len(raw) and event.length == size
        assert event.raw[:4] == raw[:4]


def test_secret_in_control_frames():
    """Pings and close reasons are masked, too."""
    register_secret("hunter2")
    register_secret("ü")
    stream = b"\x89\x07hunter2" + b"\x88\x0b\x03\xe8hunter2" + "ü".encode()
    events = decode((UP, GET), (DOWN, SWITCH), (DOWN, stream))
    assert events[2].text == "*******" and (events[3].code, events[3].note) == (1000, "*********")
    assert leaks(events, b"hunter2") == []


@pytest.mark.parametrize("cut", range(1, 7))
@pytest.mark.parametrize("up", [True, False])
def test_secret_over_two_fragments(cut, up):
    """Of a secret that is split over two fragments nothing stays in either."""
    register_secret("hunter2")
    one, two = b"my hunter2!"[: 3 + cut], b"my hunter2!"[3 + cut :]
    stream = Frame(Opcode.TEXT, one, fin=False).serialize(mask=up) + Frame(Opcode.CONT, two).serialize(mask=up)
    events = decode((UP, GET), (DOWN, SWITCH), (up, stream))[2:]
    assert [event.payload for event in events] == [b"my " + b"*" * cut, b"*" * (7 - cut) + b"!"]
    for piece in (one[3:], two[:-1]):
        if len(piece) > 3:  # a shorter one may occur in a random masking key
            assert leaks(events, piece) == []


def test_secret_byte_by_byte():
    """Nor does one that comes in as many fragments as it has bytes, with pings between."""
    register_secret("hunter2")
    stream = (
        b"".join(bytes([0 if i else 1, 1, byte]) + b"\x89\x01h" for i, byte in enumerate(b"hunter2")) + b"\x80\x01."
    )
    events = decode((UP, GET), (DOWN, SWITCH), (DOWN, stream))[2:]
    assert b"".join(event.payload for event in events if event.kind is not Kind.PING) == b"*******."
    assert [event.text for event in events if event.kind is Kind.PING] == ["h"] * 7


def test_what_only_began_like_a_secret():
    """At the end of a fragment the possible beginning of a secret is masked; at the end of a message it is not."""
    register_secret("hunter2")
    events = decode((UP, GET), (DOWN, SWITCH), (DOWN, b"\x01\x04hunt\x80\x04er1h\x81\x04hunt"))[2:]
    assert [event.text for event in events] == ["****", "er1h", "hunt"]


@pytest.mark.parametrize("cut", range(2, 20))
def test_secret_in_a_frame_that_is_cut(cut):
    """Half a frame is masked, although its bytes are XOR-ed with a key that stands beside them."""
    register_secret("hunter2")
    (event,) = decode((UP, GET), (DOWN, SWITCH), (UP, masked(0x81, b"a hunter2 and so on")[: 6 + cut]), (UP, END))[2:]
    content = apply_mask(event.raw[6:], event.raw[2:6])
    assert content == (b"a " + b"*" * min(cut - 2, 7) + b" and so on")[:cut]


def test_secret_in_a_frame_that_is_refused():
    """A frame that breaks a rule is masked as a right one is."""
    register_secret("hunter2")
    for raw in (masked(0xA1, b"hunter2"), masked(0x09, b"hunter2")):
        (event,) = decode((UP, GET), (DOWN, SWITCH), (UP, raw))[2:]
        assert event.kind is Kind.INVALID and apply_mask(event.raw[6:], event.raw[2:6]) == b"*******"


@pytest.mark.parametrize("no_context_takeover", [True, False])
def test_secret_in_a_compressed_message(no_context_takeover):
    """Of a compressed frame that holds a secret only the header stays."""
    register_secret("eggs")
    events = decode(*compressed(no_context_takeover))
    hidden = [event for event in events if b"*" in event.payload]
    assert [event.up for event in hidden] == [True, False, False] and leaks(events, b"eggs") == []
    for event in hidden:
        start = {126: 4}.get(event.raw[1] & 0x7F, 2) + (4 if event.up else 0)
        assert set(event.raw[start:]) == {ord("*")} and len(event.raw) == event.wire_bytes


def test_secret_in_a_compressed_frame_that_is_cut():
    """Half a compressed frame cannot be searched, so nothing of it stays once there are secrets."""
    register_secret("hunter2")
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"hunter2") + packer.flush(zlib.Z_SYNC_FLUSH)
    (event,) = decode(*compressed(False)[:2], (DOWN, bytes([0xC1, len(packed)]) + packed[:-2]), (DOWN, END))[2:]
    assert event.raw == bytes([0xC1, len(packed)]) + b"*" * (len(packed) - 2)


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("pässwörd", '{"t": "p\\u00e4ssw\\u00f6rd"}'),
        ("pässwörd", "GET /p%C3%A4ssw%C3%B6rd"),
        ("two words", "/?q=two+words"),
        ("it's", "SELECT 'it''s'"),
        ("key", "SELECT x'6b6579'"),
        (b"\xff\x00", "SELECT x'ff00'"),
        ('a"b', '"a\\"b"'),
    ],
)
def test_forms_of_a_secret(secret, text):
    """A secret is found in the forms that it takes in JSON, in a URL and in SQL."""
    register_secret(secret)
    masked_text = mask_secrets(text.encode())
    assert b"*" in masked_text and len(masked_text) == len(text.encode())


def test_shorter_and_longer_secrets():
    """A secret within another does not leave the rest of the other readable; an empty one is ignored."""
    for secret in ("", "pass", "password", "pass"):
        register_secret(secret)
    assert mask_secrets(b"a password, a pass") == b"a ********, a ****"


def test_saved_secret(tmp_path):
    """A saved recording holds none either, not even in base64."""
    register_secret("hunter2")
    Trace(decode((UP, GET), (DOWN, SWITCH), (DOWN, b"\x81\x07hunter2"))).save(tmp_path / "one.jsonl")
    saved = (tmp_path / "one.jsonl").read_text()
    assert base64.b64encode(b"*******").decode() in saved
    assert leaks(Trace.load(tmp_path / "one.jsonl"), b"hunter2") == []
