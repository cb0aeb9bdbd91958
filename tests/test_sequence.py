"""The sequence diagram: its text, its sentences, its pictures."""

import io
import subprocess
import sys
from dataclasses import replace

import pytest
from golden_text import assert_golden, chunks, recorded
from PIL import Image

from wslab.pictures import sequence
from wslab.pictures.labels import label
from wslab.pictures.layout import LIMIT, spread
from wslab.pictures.observed import spread_labels
from wslab.pictures.scene import Overlay, scene
from wslab.pictures.sequence_png import PINGS
from wslab.pictures.theme import clusters, escape, fit, keep_direction, milliseconds, width
from wslab.trace import Cause, Event, Kind, Trace

NAMES = "sequential concurrent notes push broadcast odd cut invalid refused hole compressed twice".split()
FINDINGS = {
    "sequential": "6 messages on 1 connection",
    "concurrent": "6 messages on 1 connection, 3 of them processed at the same time",
    "push": "3 messages on 1 connection, 1 of them unasked for",
    "broadcast": "4 connections, 5 messages, 3 of them unasked for",
    "cut": "1 connection, cut without a close frame",
    "invalid": "1 connection: bytes that are not valid (incorrect masking)",
    "refused": "A handshake refused: 401",
    "hole": "3 messages on 1 connection: 1 frame vanished on the way",
    "twice": "2 connections, 4 messages",
}
IMAGINED = [("Server", "Client", 'TEXT "done"'), ("Client", "Clock", "TICK")]

pytestmark = pytest.mark.filterwarnings("error")


def wire(kind, number, *, up=True, name="Client", **fields):
    source, target = (name, "Server") if up else ("Server", name)
    payload = fields.setdefault("payload", b"")
    fields.setdefault("length", len(payload))
    fields.setdefault("at", number / 100)
    return Event(kind=kind, up=up, source=source, target=target, connection=name, tap="t", number=number, **fields)


def talk(messages, payload=b"hello"):
    """A trace of so many messages from the client, alone."""
    return Trace(wire(Kind.TEXT, n, payload=payload, ordinal=n) for n in range(messages))


def grid(line):
    """The columns of a line: a wide letter fills two."""
    return [cell for cluster, columns in clusters(line) for cell in [cluster] + [""] * (columns - 1)]


# Text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pushes", "title"),
    [(1, "1 message on 1 connection, unasked for"), (3, "3 messages on 1 connection, all of them unasked for")],
)
def test_only_pushes(pushes, title):
    """Where nobody asked for anything, nothing is counted twice."""
    trace = Trace(wire(Kind.TEXT, number, up=False, payload=b"news", ordinal=number) for number in range(pushes))
    assert sequence.finding(trace) == title


@pytest.mark.parametrize("name", NAMES)
def test_golden(name):
    """Title, text and narration of a real recording."""
    trace = recorded(name)
    assert_golden(
        f"sequence_{name}", "\n\n".join([sequence.finding(trace), sequence.text(trace), sequence.narrate(trace)])
    )


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"concurrent"}))  # there the server's line is several columns wide
def test_lines_stay_straight(name):
    """The outer lanes stand in one column each, whatever a peer sent, within 110 columns and a note."""
    trace = recorded(name)
    rows = sequence.text(trace).splitlines()[2 : 2 + len(scene(trace).arrows)]
    lanes = [[column for column, cell in enumerate(grid(row)) if cell in ("│", "┃", "┨")] for row in rows]
    assert len({(columns[0], columns[-1]) for columns in lanes}) == 1
    assert max(width(row) for row in rows) <= 118


def test_turn_and_tasks_look_different():
    """A handler that works in turn has one interval after another, one with tasks has them side by side."""
    works = {name: scene(recorded(name)).works for name in ("sequential", "concurrent")}
    assert [(w.after, w.until, w.slot) for w in works["sequential"]] == [(3, 6, 0), (6, 7, 0), (7, 8, 0)]
    assert [(w.after, w.until, w.slot) for w in works["concurrent"]] == [(3, 8, 0), (4, 6, 1), (5, 7, 2)]


def test_push_is_what_answers_nothing():
    """A welcome and another's broadcast are pushes, an answer and one's own broadcast are not."""
    arrows = scene(recorded("broadcast")).arrows
    assert [(arrow.number, arrow.event.target) for arrow in arrows if arrow.push] == [
        (11, "bob"),
        (12, "cyd"),
        (13, "dan"),
    ]
    welcome = scene(recorded("push")).arrows[2]
    assert (welcome.push, welcome.asked, welcome.answers) == (True, False, None)


def test_a_reused_name_is_another_connection():
    """Answers on the second connection of a name belong to the messages of that connection."""
    answers = [(arrow.number, arrow.answers) for arrow in scene(recorded("twice")).arrows if arrow.answers]
    assert answers == [(4, 3), (11, 10)]


def test_fragments_answer_as_one_message():
    """The interval begins below the last fragment, and only the first frame of an answer could be a push."""
    events = [
        wire(Kind.TEXT, 0, payload=b"a", fin=False),
        wire(Kind.CONTINUATION, 1, payload=b"b", ordinal=0),
        wire(Kind.TEXT, 2, up=False, payload=b"c", fin=False, ordinal=0, cause=Cause("Client", 0, 0)),
        wire(Kind.CONTINUATION, 3, up=False, payload=b"d", ordinal=1, cause=None),
    ]
    trace = Trace(events)
    trace.takes["Client", 0, 0] = 0
    drawn = scene(trace)
    assert [(work.after, work.until) for work in drawn.works] == [(2, 3)]
    assert drawn.messages == 2 and not any(arrow.push for arrow in drawn.arrows)


def test_a_client_may_be_called_as_the_server():
    """Two lanes of one name, told apart by what they do."""
    events = [
        wire(Kind.TEXT, 0, name="Server", payload=b"x"),
        wire(Kind.TEXT, 1, up=False, name="Server", payload=b"y"),
    ]
    lines = sequence.text(Trace(events)).splitlines()
    assert lines[1].split() == ["Server", "Server"]
    assert '── TEXT "x" ─▶│' in lines[2] and '◀─ TEXT "y" ──│' in lines[3]


@pytest.mark.parametrize("clients", [1, 2, 3, 4, 9])
def test_any_number_of_lanes(clients):
    """Each client has a lane; the widest text stays bounded."""
    events = [wire(Kind.TEXT, 0, name=f"c{n}", payload=b"m" * 200, ordinal=0) for n in range(clients)]
    events += [Event(kind=Kind.SQL, source="Server", target="Database", payload=b"SELECT 1", length=8)]
    text = sequence.text(Trace(events))
    assert f"{clients} connection" in text
    assert max(width(line) for line in text.splitlines()) <= 125
    assert len(sequence.png(Trace(events))) < 50_000


def test_nothing_recorded():
    """An empty recording says so in every form."""
    assert sequence.text(Trace()) == "0 connections · 0 messages · 0 payload bytes\nNothing crossed the wire."
    assert sequence.narrate(Trace()) == "Nothing crossed the wire."
    assert sequence.finding(Trace()) == "Nothing crossed the wire"
    for draw in (sequence.png, sequence.observed_png):
        assert draw(Trace()).startswith(b"\x89PNG")


def test_the_middle_of_many_is_left_out():
    """Of 200 arrows the first and the last are shown, with a count, and the marked one with its neighbours."""
    text = sequence.text(talk(200))
    assert "  ⋮      ⋮  156 more arrows" in text
    assert len(text.splitlines()) == 30 + 14 + 1 + 3
    marked = sequence.text(talk(200), overlay=Overlay(marked=100))
    assert "69 more arrows" not in text and "68 more arrows" in marked and "85 more arrows" in marked
    assert next(line for line in marked.splitlines() if line.startswith("100 ")).endswith("◀── here")
    assert "more arrow" not in sequence.text(talk(LIMIT))
    assert sequence.narrate(talk(200)).splitlines()[-1].startswith("200. ")


def test_an_overlay_in_text_and_sentences():
    """What was foreseen, what was not, what was only imagined, and the first wrong arrow."""
    overlay = Overlay(marked=5, foreseen={3, 4}, unforeseen={5}, imagined=IMAGINED)
    trace = recorded("push")
    assert_golden(
        "sequence_overlay",
        "\n\n".join(
            [sequence.text(trace, title="A prediction", overlay=overlay), sequence.narrate(trace, overlay=overlay)]
        ),
    )


def test_imagined_lanes_and_loops():
    """An imagined arrow may name a lane that the recording lacks, or the same lane twice."""
    text = sequence.text(Trace(), overlay=Overlay(imagined=[("Client", "Client", "think"), ("Client", "Server", "go")]))
    assert "│↩ think" in text and "┄┄ go ┄▶" in text
    assert sequence.png(Trace(), overlay=Overlay(imagined=[("Client", "Client", "think")])).startswith(b"\x89PNG")


def test_keepalive_is_left_out_unless_asked_for():
    """Its payload is random, so it is not printed either."""
    ping = wire(Kind.PING, 1, payload=b"\x01\x02\x03\x04", keepalive=True)
    trace = Trace([*talk(1), ping])
    assert "PING" not in sequence.text(trace)
    assert "│── PING ──" in sequence.text(trace, show_pings=True)
    assert "a ping to keep the connection alive." in sequence.narrate(trace, show_pings=True)
    assert sequence.png(trace) != sequence.png(trace, show_pings=True) and PINGS


def test_order_of_letters_is_kept_after_hebrew():
    """What stands after letters written from right to left is not turned round."""
    assert keep_direction("שלום") == "שלום\u200e" and keep_direction("abc") == "abc"
    assert 'TEXT "שלום 8"\u200e ─' in sequence.text(recorded("odd"))


# Words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            Event(kind=Kind.REQUEST, headline="GET /notes?a=1", headers=(("Upgrade", "WebSocket"),)),
            "GET /notes?a=1  Upgrade",
        ),
        (Event(kind=Kind.REQUEST, headline="GET /page"), "GET /page"),
        (Event(kind=Kind.RESPONSE, headline="101 Switching Protocols", code=101), "101 Switching Protocols"),
        (wire(Kind.TEXT, 0, payload=b"hello"), 'TEXT "hello"'),
        (wire(Kind.TEXT, 0, payload=b"ab", fin=False), 'TEXT "ab" fin=0'),
        (wire(Kind.TEXT, 0), 'TEXT ""'),
        (wire(Kind.TEXT, 0, payload=b"a\r\n\x1b[2J\xe2\x80\xae"), r'TEXT "a\r\n\x1b[2J\u202e"'),
        (wire(Kind.BINARY, 0, payload=b"\x00\xff"), "BINARY 00 ff"),
        (wire(Kind.BINARY, 0), "BINARY"),
        (wire(Kind.CONTINUATION, 0, payload="é".encode()[1:] + b"x"), 'CONTINUATION "\\xa9x"'),
        (wire(Kind.CONTINUATION, 0, payload=b"\x00\xff\x00"), "CONTINUATION 00 ff 00"),
        (wire(Kind.PING, 0, payload=b"x"), 'PING "x"'),
        (wire(Kind.PONG, 0), "PONG"),
        (wire(Kind.CLOSE, 0, payload=b"\x03\xe8", code=1000), "CLOSE 1000"),
        (wire(Kind.CLOSE, 0, payload=b"\x0f\xa0bye", code=4000, note="bye"), 'CLOSE 4000 "bye"'),
        (wire(Kind.CLOSE, 0, code=1005), "CLOSE (no code)"),
        (
            wire(Kind.CLOSE, 0, payload=b"\x00", note="not valid: close frame too short"),
            "CLOSE not valid: close frame too short",
        ),
        (wire(Kind.INVALID, 0, note="incorrect masking"), "not valid: incorrect masking"),
        (Event(kind=Kind.SQL, payload=b"SELECT 1"), "SELECT 1"),
        (Event(kind=Kind.LOG, payload=b"INFO saved"), "INFO saved"),
    ],
)
def test_labels(event, words):
    """Each kind of event has its words."""
    assert label(event).fit(80) == words


def test_a_label_is_cut_inside_its_quotes():
    """The kind, the quotes and what follows them stay."""
    event = wire(Kind.TEXT, 0, payload=b"x" * 5000, fin=False)
    assert label(event).fit(20) == 'TEXT "xxxxx…" fin=0'.replace("xxxxx", "x" * 6)
    assert label(event).fit(8) == 'TEXT "x…'


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([wire(Kind.RESPONSE, 0, up=False, code=401)], "TCP end"),
        ([wire(Kind.RESPONSE, 0, up=False, code=101)], "TCP end, no close frame"),
        ([wire(Kind.RESPONSE, 0, up=False, code=101), wire(Kind.CLOSE, 1, code=1000)], "TCP end, close not answered"),
        (
            [
                wire(Kind.RESPONSE, 0, up=False, code=101),
                wire(Kind.CLOSE, 1, code=1000),
                wire(Kind.CLOSE, 2, up=False, code=1000),
            ],
            "TCP end",
        ),
    ],
)
def test_the_end_of_tcp(events, words):
    """How it is called depends on the close frames before it (RFC 6455 7.1.1)."""
    arrows = scene(Trace([*events, wire(Kind.END, 9, up=False, note="FIN")])).arrows
    assert arrows[-1].label.fit(80) == words


@pytest.mark.parametrize(("name", "words"), FINDINGS.items())
def test_findings(name, words):
    """The title says what this recording shows."""
    assert sequence.finding(recorded(name)) == words


@pytest.mark.parametrize(
    "text", ["plain", "你好，世界", "😀😀😀", "e\u0301" * 9, "a\u0301" * 400, "❤\ufe0f❤\ufe0f", ""]
)
@pytest.mark.parametrize("columns", [1, 2, 5, 9, 40])
def test_fit_keeps_the_width(text, columns):
    """What is cut ends in an ellipsis and is never wider than asked for; letters keep their accents."""
    cut = fit(text, columns)
    assert width(cut) <= columns
    assert cut == text or cut.endswith("…")
    assert not cut.startswith("\u0301")


def test_escape_leaves_nothing_that_acts():
    """Control, format, private and unassigned characters and line breaks become escapes; letters stay."""
    assert escape("a\x00\x1b\x7f\x85\u200b\u2028\u2066\ue000\ud800é你😀") == (
        "a\\x00\\x1b\\x7f\\x85\\u200b\\u2028\\u2066\\ue000\\ud800é你😀"
    )


def test_milliseconds():
    """A digit after the point where it matters."""
    assert [milliseconds(s) for s in (0, 0.00123, 0.0099, 0.00996, 1.5)] == [
        "0.0 ms",
        "1.2 ms",
        "9.9 ms",
        "10 ms",
        "1500 ms",
    ]


# Room ---------------------------------------------------------------------------------------------------


def test_spread_gives_room_where_it_is_needed():
    """Needs are met, long ones last, and the widest gap gives way first."""
    assert spread([(0, 1, 20), (1, 2, 12)], 2, least=8, total=99) == [20, 12]
    assert spread([(0, 2, 41), (1, 2, 12)], 2, least=8, total=99) == [18, 22]
    assert spread([(0, 1, 50), (1, 2, 12)], 2, least=8, total=40) == [28, 12]
    assert spread([(0, 1, 50)], 2, least=8, total=4) == [8, 8]


def test_labels_of_one_moment_are_spread():
    """They keep their order and their distance, between top and bottom."""
    places = spread_labels([1.0, 1.0, 1.0, 5.0, 5.0], 1.0, 5.0, 0.5)
    assert places == [1.0, 1.5, 2.0, 4.5, 5.0]


# Pictures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [sequence.png, sequence.observed_png])
@pytest.mark.parametrize("name", NAMES)
def test_pictures(name, draw):
    """The same trace gives the same bytes: opaque, white, 792 pixels wide, at most 50 kB, no metadata."""
    trace = recorded(name)
    picture = draw(trace, title=sequence.finding(trace))
    assert picture == draw(recorded(name), title=sequence.finding(trace))
    assert set(chunks(picture)) == {"IHDR", "PLTE", "IDAT", "IEND"}
    assert len(picture) <= 50_000
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    assert image.width == 792
    corners = [(0, 0), (791, 0), (0, image.height - 1), (791, image.height - 1)]
    assert {image.getpixel(corner) for corner in corners} == {(255, 255, 255)}


@pytest.mark.parametrize("title", ["", "$x^2$ \\frac", "你好 😀 \x1b[31m", "long " * 200])
def test_any_title_and_payload_is_drawn(title):
    """Formulas, missing letters and control characters are drawn as they are or as escapes, without a warning."""
    trace = talk(3, payload=title.encode() or b"$$")
    assert sequence.png(trace, title=title).startswith(b"\x89PNG")
    assert sequence.observed_png(trace, title=title).startswith(b"\x89PNG")


def test_an_overlay_changes_the_picture():
    """Each part of it leaves a trace."""
    trace = recorded("push")
    overlays = [
        Overlay(),
        Overlay(marked=3),
        Overlay(foreseen={3}),
        Overlay(unforeseen={3}),
        Overlay(imagined=IMAGINED),
    ]
    assert len({sequence.png(trace, overlay=overlay) for overlay in overlays}) == len(overlays)


def test_time_shows_in_the_picture_only():
    """Slower traffic has the same text; clocks that ran back do no harm."""
    trace = recorded("push")
    slow = Trace(replace(event, at=event.at * 50) for event in trace)
    back = Trace(replace(event, at=-event.at) for event in trace)
    slow.takes, back.takes = trace.takes, trace.takes
    assert sequence.text(slow) == sequence.text(trace)
    tall = [Image.open(io.BytesIO(sequence.png(t))).height for t in (back, trace, slow)]
    assert tall == sorted(tall) and tall[0] < tall[2]
    assert sequence.observed_png(back).startswith(b"\x89PNG")


def test_two_hundred_events_are_drawn():
    """Elided in the diagram, all of them in the observed order."""
    assert len(sequence.png(talk(200))) <= 60_000
    assert len(sequence.observed_png(talk(200))) <= 60_000


def test_words_need_no_matplotlib():
    """Only drawing imports it, and never pyplot."""
    code = (
        "import sys; from wslab.pictures import sequence; from wslab.trace import Trace; sequence.text(Trace());"
        "assert 'matplotlib' not in sys.modules; sequence.png(Trace()); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
