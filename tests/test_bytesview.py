"""One frame byte by byte: its text, its sentences, its picture."""

import io

import pytest
from golden_text import assert_golden, chunks, recorded
from PIL import Image
from websockets.frames import Frame, Opcode

from wslab.decode import Decoder
from wslab.order import canonical
from wslab.pictures import bytesview
from wslab.pictures.octets import letters, lines, parts
from wslab.trace import Event, Kind

# Recording, arrow: what it is.
SHOWN = {
    ("odd", 1): "request",
    ("odd", 2): "response",
    ("refused", 2): "refusal",
    ("push", 4): "text_masked",
    ("push", 5): "text",
    ("odd", 3): "cjk",
    ("odd", 5): "emoji",
    ("odd", 7): "controls",
    ("odd", 13): "length_126",
    ("odd", 15): "binary",
    ("odd", 19): "fragment",
    ("odd", 22): "empty",
    ("odd", 24): "ping",
    ("odd", 26): "close",
    ("compressed", 3): "compressed",
    ("invalid", 3): "invalid",
    ("cut", 5): "end",
}

pytestmark = pytest.mark.filterwarnings("error")


def shown(name, number):
    return canonical(recorded(name))[number - 1].event


def sent(opcode, payload, *, up=True, fin=True):
    """The event of one frame, decoded as a tap decodes it."""
    decoder = Decoder()
    decoder.feed(True, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    decoder.feed(False, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    return decoder.feed(up, Frame(opcode, payload, fin).serialize(mask=up))[-1]


@pytest.mark.parametrize(("place", "name"), SHOWN.items())
def test_golden(place, name):
    """Text and narration of a real event."""
    event = shown(*place)
    assert_golden(f"bytes_{name}", f"{bytesview.text(event)}\n\n{bytesview.narrate(event)}")


@pytest.mark.parametrize("place", SHOWN)
def test_pictures(place):
    """The same event gives the same bytes: white, 792 pixels wide, small, no metadata."""
    picture = bytesview.png(shown(*place))
    assert picture == bytesview.png(shown(*place))
    assert set(chunks(picture)) == {"IHDR", "PLTE", "IDAT", "IEND"}
    assert len(picture) <= 30_000
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    assert image.width == 792 and image.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("opcode", list(Opcode))
@pytest.mark.parametrize("size", [0, 2, 125, 126, 65535, 65536, 70000])
@pytest.mark.parametrize("up", [True, False])
def test_every_byte_has_one_role(opcode, size, up):
    """The parts of a frame follow each other without a gap, in all three forms of the length (RFC 6455 5.2)."""
    if size > 125 and opcode in (Opcode.CLOSE, Opcode.PING, Opcode.PONG):
        pytest.skip("a control frame holds at most 125 bytes (RFC 6455 5.5)")
    payload = (b"\x03\xe8" + b"x" * size)[:size]
    event = sent(opcode, payload, up=up)
    found = parts(event)
    assert [part.start for part in found] == [sum(part.size for part in found[:i]) for i in range(len(found))]
    assert sum(part.size for part in found) == event.wire_bytes
    told = [part for part in found if part.role in ("code", "payload")]
    assert b"".join(part.plain for part in told) == event.payload
    assert b"".join(part.wire for part in found) == event.raw
    assert [part.role for part in found if part.role == "key"] == ["key"] * up
    length = {125: [], 126: ["length 126"], 65535: ["length 65535"], 65536: ["length 65536"]}.get(size)
    assert length is None or [part.meaning for part in found if part.role == "length"] == length


def test_masked_bytes_stay_out_of_the_text():
    """Two runs, two keys: one text, one narration, and the picture of each run."""
    one, other = (sent(Opcode.TEXT, b"Hello") for _ in range(2))
    while one.raw == other.raw:
        other = sent(Opcode.TEXT, b"Hello")
    assert bytesview.text(one) == bytesview.text(other)
    assert bytesview.narrate(one) == bytesview.narrate(other)
    assert bytesview.png(one) != bytesview.png(other)


def test_handshakes_have_placeholders():
    """What varies is left out of the text; the picture leaves out only ports."""
    event = Event(
        kind=Kind.REQUEST,
        source="Client",
        target="Server",
        headline="GET /",
        raw=b"GET / HTTP/1.1\r\n\r\n",
        headers=(("Host", "127.0.0.1:4711"), ("Origin", "http://127.0.0.1:4712"), ("Sec-WebSocket-Key", "abc==")),
    )
    assert [line for line, _ in lines(event)][1:4] == [
        "Host: <address>",
        "Origin: http://127.0.0.1:<port>",
        "Sec-WebSocket-Key: <16 random bytes in base64>",
    ]
    assert [line for line, _ in lines(event, varying=True)][1:4] == [
        "Host: 127.0.0.1:<port>",
        "Origin: http://127.0.0.1:<port>",
        "Sec-WebSocket-Key: abc==",
    ]


def test_letters_stand_over_their_bytes():
    """A character is told once, where it begins, also where a line or a fragment cuts it."""
    data = "aé你😀".encode()
    assert list(letters(data, 0, 10)) == [(0, 1, "a"), (1, 2, "é"), (3, 3, "你"), (6, 4, "😀")]
    assert list(letters(data, 0, 4)) == [(0, 1, "a"), (1, 2, "é"), (3, 1, "你")]
    assert list(letters(data, 4, 6)) == [(6, 4, "😀")]
    assert list(letters(b"\xa9\nx\xe4", 0, 4)) == [(0, 1, "·"), (1, 1, "\\n"), (2, 1, "x"), (3, 1, "·")]


@pytest.mark.parametrize("kind", [Kind.SQL, Kind.LOG, Kind.END, Kind.INVALID])
def test_what_has_no_frame(kind):
    """It says so in all three forms instead of failing."""
    event = Event(kind=kind, source="Server", target="Log", note="$oops$ 你")
    assert "Server → Log" in bytesview.text(event)
    assert bytesview.narrate(event).startswith("Server")
    assert bytesview.png(event).startswith(b"\x89PNG")
