"""Map, parts and flow of a recording: boxes and lines, header and body, the path of each request."""

import io
import json
from http import HTTPStatus

import pytest
from golden_text import assert_golden, chunks, recorded
from PIL import Image
from websockets import connect
from websockets.exceptions import InvalidStatus

from wslab import record, serve
from wslab.errors import RecordingError
from wslab.order import canonical
from wslab.pictures import boxes, paths, paths_png, storeys
from wslab.pictures.network import network
from wslab.pictures.routing import route
from wslab.pictures.theme import width
from wslab.recording import Recording
from wslab.trace import Cause, Event, Kind, Trace

UPGRADE = (("Upgrade", "websocket"),)

pytestmark = pytest.mark.filterwarnings("error")


class Tape:
    """A trace that is made by hand."""

    def __init__(self):
        self.trace = Trace()

    def add(self, kind, near, far, *, up=True, name=None, tap=None, **fields):
        """What crosses the tap before `far`, on the connection that is called as its client."""
        source, target = (near, far) if up else (far, near)
        number, payload = len(self.trace.events), fields.setdefault("payload", b"")
        fields.setdefault("length", len(payload))
        self.trace.events.append(
            Event(
                kind=kind,
                up=up,
                source=source,
                target=target,
                connection=name or near,
                tap=far if tap is None else tap,
                number=number,
                at=number / 100,
                **fields,
            )
        )

    def connects(self, near, far, name=None):
        """A handshake."""
        self.add(Kind.REQUEST, near, far, name=name, headline="GET /", headers=UPGRADE)
        self.add(Kind.RESPONSE, near, far, up=False, name=name, code=101, headline="101 Switching Protocols")

    def says(self, near, far, text="hello", ordinal=0, **fields):
        """A message of a client."""
        self.add(Kind.TEXT, near, far, payload=text.encode(), ordinal=ordinal, **fields)

    def hears(self, near, far, text="hello", ordinal=0, **fields):
        """A message to a client."""
        self.add(Kind.TEXT, near, far, up=False, payload=text.encode(), ordinal=ordinal, **fields)

    def beside(self, kind, server, lane, text="", cause=None):
        """A statement or a record."""
        self.add(kind, server, lane, name="?", tap="", payload=text.encode(), cause=cause)


def balanced(clients, servers, *, backplane):
    """One client publishes behind a balancer: those on its server hear it, or all where there is a backplane."""
    tape, homes = Tape(), {f"c{i}": f"Server {1 + (i - 1) % servers}" for i in range(1, clients + 1)}
    cause = Cause("c1", 0, 0)
    for name, home in homes.items():
        tape.connects(name, "Load balancer")
        tape.connects("Load balancer", home, name)
    tape.says("c1", "Load balancer")
    tape.says("Load balancer", "Server 1", name="c1")
    if backplane:
        tape.add(Kind.PUBLISH, "Server 1", "Backplane", headline="chat", payload=b"hello")
        for home in sorted(set(homes.values())):
            tape.add(Kind.DELIVER, home, "Backplane", up=False, headline="chat", payload=b"hello")
    for name, home in homes.items():
        if backplane or home == "Server 1":
            tape.hears("Load balancer", home, name=name, cause=cause)
            tape.hears(name, "Load balancer", cause=cause)
    return tape.trace


def mesh(clients, servers, stores):
    """Every client talks to every server, every server to every store."""
    tape = Tape()
    for server in (f"Server {i}" for i in range(1, servers + 1)):
        for name in (f"c{i}" for i in range(1, clients + 1)):
            tape.connects(name, server)
            tape.says(name, server)
        for store in stores:
            tape.beside(Kind.SQL, server, store)
    return tape.trace


def odd():
    """Names that peers chose."""
    tape = Tape()
    for name in ("<script>alert(1)</script>", "x" * 90, "שלום\u202e", "😀你好"):
        tape.connects(name, "Server 你好 \x1b[2J")
    tape.says("😀你好", "Server 你好 \x1b[2J")
    return tape.trace


def skipping():
    """One client comes through the balancer, one past it; a server that nobody asked publishes."""
    tape = Tape()
    tape.connects("Ada", "Load balancer")
    tape.connects("Load balancer", "Server 1", "Ada")
    tape.connects("Bob", "Server 1")
    tape.says("Bob", "Server 1")
    tape.add(Kind.PUBLISH, "Server 1", "Backplane", headline="chat")
    tape.add(Kind.PUBLISH, "Server 2", "Backplane", headline="chat")
    return tape.trace


MAPS = {
    "one_server": lambda: recorded("notes"),
    "errors": lambda: recorded("errors"),
    "cluster": lambda: recorded("cluster"),
    "balancer": lambda: balanced(9, 3, backplane=False),
    "backplane": lambda: balanced(12, 4, backplane=True),
    "mesh": lambda: mesh(3, 3, ("Database", "Files", "Ledger")),
    "skipping": skipping,
    "odd": odd,
    "empty": Trace,
}


# Map ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAPS)
def test_golden_map(name):
    """Text and narration of a map."""
    trace = MAPS[name]()
    assert_golden(f"map_{name}", f"{boxes.text(trace)}\n\n{boxes.narrate(trace)}")


@pytest.mark.parametrize("servers", [1, 2, 3, 4])
@pytest.mark.parametrize("clients", range(1, 13))
@pytest.mark.parametrize("backplane", [False, True])
def test_a_map_of_any_size_is_right(clients, servers, backplane):
    """Every client is in one box, counts of all lines add up, and the text is no wider than a notebook."""
    trace = balanced(clients, servers, backplane=backplane)
    found, text = network(trace), boxes.text(trace)
    assert sorted(name for box in found.boxes if box.role == "client" for name in box.members) == sorted(
        f"c{i}" for i in range(1, clients + 1)
    )
    assert sum(box.role == "client" for box in found.boxes) <= 4
    front = [link.tally for link in found.links if found.boxes[link.left].role == "client"]
    heard = clients if backplane else len(range(0, clients, servers))
    assert sum(tally.connections for tally in front) == clients
    assert (sum(tally.up for tally in front), sum(tally.down for tally in front)) == (1, heard)
    assert found.heard == heard
    assert sum(tally.pushes for tally in front) == heard - 1
    assert max(map(width, text.splitlines())) <= 118
    assert text.count("▶") == len(found.links)


def test_of_few_clients_each_has_a_box():
    """Up to four stand alone; of five those are put together that did and heard the same."""
    for clients, drawn in ((4, 4), (5, 2)):
        members = [box.members for box in network(balanced(clients, 1, backplane=True)).boxes if box.role == "client"]
        assert len(members) == drawn
    assert members == [("c1",), ("c2", "c3", "c4", "c5")]


def test_clients_that_all_differ_share_one_box():
    """Twelve that each said something else stand in one box, with the sum of what they said."""
    tape = Tape()
    for i in range(1, 13):
        tape.connects(f"c{i}", "Server")
        for ordinal in range(i):
            tape.says(f"c{i}", "Server", ordinal=ordinal)
    found = network(tape.trace)
    assert [box.name for box in found.boxes] == ["12 clients", "Server"]
    assert [found.facts(link) for link in found.links] == [["12 connections", "78 messages →"]]


def test_what_a_line_says():
    """HTTP requests, refused handshakes, lost messages, cuts, records: each has its words."""
    tape = Tape()
    tape.connects("Ada", "Server")
    tape.says("Ada", "Server", lost=True)
    tape.add(Kind.END, "Ada", "Server", note="cut")
    tape.add(Kind.REQUEST, "Ada", "Server", life=1, headline="GET /healthz")
    tape.add(Kind.RESPONSE, "Ada", "Server", up=False, life=1, code=200)
    tape.add(Kind.REQUEST, "Ada", "Server", life=2, headline="GET /", headers=UPGRADE)
    tape.add(Kind.RESPONSE, "Ada", "Server", up=False, life=2, code=401)
    tape.beside(Kind.LOG, "Server", "Log", "INFO x")
    found = network(tape.trace)
    assert [fact for link in found.links for fact in found.facts(link)] == [
        "1 connection",
        "1 HTTP request",
        "1 refused: 401",
        "1 message →",
        "1 lost",
        "1 cut",
        "1 record",
    ]


def test_a_circle_is_drawn_backwards():
    """A line that would run from right to left keeps its direction."""
    tape = Tape()
    tape.connects("One", "Two", "Ada")
    tape.connects("Two", "One", "Bob")
    tape.says("Two", "One", name="Bob")
    text = boxes.text(tape.trace)
    assert (text.count("◀"), text.count("▶"), text.count("1 message ←")) == (1, 1, 1)
    assert "Two to One: 1 connection, 1 message forth." in boxes.narrate(tape.trace)


@pytest.mark.parametrize(
    "trace", [mesh(c, s, "xyz"[:d]) for c in (1, 2, 3, 4) for s in (1, 2, 3) for d in (0, 1, 2, 3)]
)
def test_lines_never_run_along_each_other(trace):
    """Two lines share a cell only where they cross: level pieces and upright pieces are all apart."""
    for gap in route(network(trace)).gaps:
        level, upright = set(), set()
        for stretch in gap.stretches:
            track = stretch.track
            if track is None:
                cells = {(stretch.start, x) for x in range(-1, gap.tracks + 1)}
            else:
                cells = {(stretch.start, x) for x in range(-1, track + 1)}
                cells |= {(stretch.end, x) for x in range(track, gap.tracks + 1)}
                rows = range(min(stretch.start, stretch.end), max(stretch.start, stretch.end) + 1)
                turned = {(row, track) for row in rows}
                assert not upright & turned
                upright |= turned
            assert not level & cells
            level |= cells


# Parts --------------------------------------------------------------------------------------------------


def part(trace, number, **options):
    return storeys.storeys(canonical(trace)[number - 1].event, number, **options)


@pytest.mark.parametrize(
    ("name", "number", "envelope"),
    [("errors", 1, False), ("errors", 21, False), ("errors", 5, False), ("errors", 5, True), ("errors", 16, False)],
)
def test_golden_parts(name, number, envelope):
    """Text and narration: HTTP with and without a body, a frame, the envelope in it, a close frame."""
    told = part(recorded(name), number, envelope=envelope)
    kind = "envelope" if envelope else "parts"
    assert_golden(f"{kind}_{name}_{number}", f"{storeys.text(told)}\n\n{storeys.narrate(told)}")


def frame(payload, kind=Kind.TEXT, **fields):
    tape = Tape()
    tape.add(kind, "Ada", "Server", payload=payload, wire_bytes=len(payload) + 6, masked=True, **fields)
    return tape.trace


def test_an_envelope_is_taken_apart():
    """Every key but "body" is header; a body that is an object has a line for each key, none says so."""
    told = part(frame(b'{"type": "bid", "id": 7, "body": {"lot": "a\\nb", "amount": 3}}'), 1, envelope=True)
    assert told.header == ('type: "bid"', "id: 7")
    assert told.body == ('lot: "a\\nb"', "amount: 3")
    assert part(frame(b'{"type": "beat"}'), 1, envelope=True).body == ("no body",)
    only = part(frame(b'{"body": [1, 2]}'), 1, envelope=True)
    assert (only.header, only.body) == (("no header",), ("[1, 2]",))


@pytest.mark.parametrize("payload", [b"hello", b"[1]", b"null", b"\xff", b"[" * 5000, b""])
def test_what_is_no_envelope_says_so(payload):
    """Only a JSON object is an envelope."""
    with pytest.raises(RecordingError) as caught:
        part(frame(payload), 1, envelope=True)
    assert str(caught.value) == "arrow 1 is no envelope: what it carries is not a JSON object"


def test_a_statement_has_no_parts():
    """SQL is neither an HTTP message nor a frame."""
    tape = Tape()
    tape.beside(Kind.SQL, "Server", "Database", "SELECT 1")
    with pytest.raises(RecordingError) as caught:
        part(tape.trace, 1)
    assert str(caught.value) == "arrow 1 has no header and body: it is neither an HTTP message nor a frame"


def test_long_bodies_are_wrapped_and_end_with_a_count():
    """Lines keep inside the box, wide letters too; of very many lines the first are shown."""
    for payload in ("你好" * 2000, "x" * 9000, "\n".join("abc" for _ in range(40)), "😀\u202e<script>" * 300):
        rows = storeys.text(part(frame(payload.encode()), 1)).splitlines()
        assert len({width(row) for row in rows[1:]}) == 1 and width(rows[1]) <= 90
        assert len(rows) < 26 and "more line" in rows[-2]


def test_bytes_that_are_no_text_stand_in_hexadecimal():
    """Sixteen on a line."""
    told = part(frame(bytes(range(20)), Kind.BINARY), 1)
    assert told.body == ("00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f", "10 11 12 13")


# Flow ---------------------------------------------------------------------------------------------------


def test_golden_flow():
    """Text and narration: success, error with log and admin, no answer, a crash, a refused handshake."""
    told = paths.paths(recorded("errors"))
    assert_golden("flow_errors", f"{paths.text(told)}\n\n{paths.narrate(told)}")


def exchange(*replies, close=None):
    """One request and its replies."""
    tape, cause = Tape(), Cause("Ada", 0, 0)
    tape.connects("Ada", "Server")
    tape.says("Ada", "Server")
    for ordinal, reply in enumerate(replies):
        tape.hears("Ada", "Server", reply, ordinal, cause=cause)
    if close is not None:
        tape.add(Kind.CLOSE, "Ada", "Server", up=False, code=close, cause=cause)
    return tape.trace


@pytest.mark.parametrize(
    ("trace", "good", "answer"),
    [
        (exchange("OK"), True, "Response"),
        (exchange('{"ok": true, "error": null}'), True, "Response"),
        (exchange('{"ok": false}'), False, "Error Response"),
        (exchange('{"error": {"code": "bad"}}'), False, "Error Response"),
        (exchange('{"type": "error"}'), False, "Error Response"),
        (exchange("1", "2", '{"ok": false}'), False, "Error Response"),
        (exchange("[" * 100_000), True, "Response"),
        (exchange(close=1000), True, "Close 1000"),
        (exchange(close=1011), False, "Close 1011"),
        (exchange("bye", close=4401), False, "Close 4401"),
        (exchange("bye", close=1000), True, "Response"),
        (exchange(), None, "no response"),
    ],
)
def test_how_a_request_ends(trace, good, answer):
    """Decided from what its handler sent for it."""
    (path,) = paths.paths(trace)
    assert path.good is good
    assert answer in path.stations
    assert path.stations[:4] == ("Ada", "Request", "Server", "Process")


def test_what_an_error_is_can_be_said():
    """The predicate is given the text of each reply."""
    assert paths.paths(exchange("ERR no"))[0].good is True
    assert paths.paths(exchange("ERR no"), lambda text: text.startswith("ERR"))[0].good is False
    recording = Recording(exchange("ERR no"))
    assert "0 succeeded" not in str(recording.flow()) and "1 failed" in str(recording.flow(failed=lambda text: True))


def test_branches_name_log_and_admin():
    """Records go to a log or, under another name, to somebody; others that were sent something are told apart."""
    tape, cause = Tape(), Cause("Ada", 0, 0)
    for name in ("Ada", "Bob"):
        tape.connects(name, "Server")
    tape.says("Ada", "Server")
    tape.beside(Kind.LOG, "Server", "Error log", "ERROR boom", cause)
    tape.beside(Kind.LOG, "Server", "Admin", "ERROR boom", cause)
    tape.beside(Kind.SQL, "Server", "Database", "ROLLBACK", cause)
    tape.hears("Bob", "Server", "Ada failed", cause=cause)
    good = paths.paths(tape.trace)[0]
    tape.hears("Ada", "Server", '{"ok": false}', cause=cause)
    bad = paths.paths(tape.trace)[0]
    assert bad.branches == ("Log: ERROR boom", "Notify Admin: ERROR boom", 'Notify Bob: TEXT "Ada failed"')
    assert good.branches[-1] == 'Push to Bob: TEXT "Ada failed"'


def test_a_push_through_a_balancer_is_for_its_client():
    """The balancer only carries it."""
    (path,) = paths.paths(balanced(3, 1, backplane=False))
    assert (path.stations[0], path.stations[2]) == ("c1", "Server 1")
    assert path.branches == ('Push to c2: TEXT "hello"', 'Push to c3: TEXT "hello"')


def test_of_many_requests_the_middle_is_left_out():
    """Text and picture say how many; the title counts them all."""
    tape = Tape()
    tape.connects("Ada", "Server")
    for ordinal in range(60):
        tape.says("Ada", "Server", ordinal=ordinal)
        tape.hears("Ada", "Server", ordinal=ordinal, cause=Cause("Ada", ordinal, 0))
    told = paths.paths(tape.trace)
    lines = paths.text(told).splitlines()
    assert lines[0] == "60 requests: 60 succeeded"
    assert lines[paths.LIMIT - paths.LAST + 1].strip() == "⋮ 36 more requests"
    assert len(lines) == paths.LIMIT + 4
    assert len(paths_png.png(told)) <= 50_000


# Together -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAPS)
def test_map_pictures(name):
    """Opaque, white, 792 pixels wide, small, the same each time."""
    check_picture(lambda: boxes.png(MAPS[name]()))


def test_long_names_in_many_columns_stay_inside():
    """They are cut, in the picture as in the text."""
    tape = Tape()
    tape.connects("client " * 9, "balancer " * 9)
    tape.connects("balancer " * 9, "server " * 9, "client " * 9)
    tape.add(Kind.PUBLISH, "server " * 9, "backplane " * 9)
    check_picture(lambda: boxes.png(tape.trace))
    assert max(map(width, boxes.text(tape.trace, title="Long").splitlines())) <= 118


def test_other_pictures():
    """Parts and flow as well, without requests too."""
    trace = recorded("errors")
    for number in (1, 5, 16, 21):
        check_picture(lambda number=number: storeys.png(part(trace, number), up=True))
    check_picture(lambda: storeys.png(part(frame(("你好<b>$x^2$" * 900).encode()), 1), up=True))
    for told in (paths.paths(trace), [], paths.paths(exchange("<script>" * 99))):
        check_picture(lambda told=told: paths_png.png(told))


def check_picture(draw):
    picture = draw()
    assert picture == draw()
    assert set(chunks(picture)) == {"IHDR", "PLTE", "IDAT", "IEND"}
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    assert image.width == 792 and len(picture) <= 50_000
    for edge in (0, 784):  # nothing reaches over the margins
        assert image.crop((edge, 0, edge + 8, image.height)).getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize(("branches", "told"), [((), "the error not reported"), (("Log: x",), "the error reported")])
def test_one_error_is_told_of_as_one(branches, told):
    """Of a single error it is said whether it was reported, without a count."""
    path = paths.Path(1, "GET /", ("Client", "Request"), False, branches)
    assert paths.finding([path]) == f"1 request: 1 failed, {told}"
    assert "not answered" not in paths.legend([path])


async def test_a_recording_draws_them():
    """Of a real exchange: three forms of each picture, with a title of one's own or a computed one."""

    async def handler(ws):
        async for raw in ws:
            message = json.loads(raw)
            await ws.send(json.dumps({"id": message["id"], "ok": message["type"] == "note"}))

    def door(connection, request):
        return None if "Ada" in request.path else connection.respond(HTTPStatus.FORBIDDEN, "no\n")

    server = await serve(handler, process_request=door)
    with record(server) as recording:
        async with connect(f"{server.url}/?name=Ada") as ws:
            for number, kind in enumerate(("note", "other")):
                await ws.send(json.dumps({"type": kind, "id": number, "body": {"text": "tea"}}))
                await ws.recv()
        with pytest.raises(InvalidStatus):
            await connect(f"{server.url}/?name=Bob")
        await recording.settled()
    await server.stop()
    drawn, flow = recording.map(), recording.flow()
    assert str(drawn).splitlines()[0] == "2 clients, 1 server: 1 of 2 clients heard a message"
    assert "2 messages →, 2 ←" in str(drawn) and "1 refused: 403" in str(drawn)
    assert str(flow).splitlines()[0] == "3 requests: 1 succeeded, 2 failed, 0 of the errors reported"
    asked = next(row.number for row in recording.rows if "note" in row.event.text)
    assert 'text: "tea"' in str(recording.parts(asked, envelope=True))
    for picture in (drawn, flow, recording.parts(1)):
        assert set(picture._repr_mimebundle_()) == {"text/plain", "image/png"}
        assert str(picture).splitlines()[0] in picture.narrate()
    assert str(recording.map(title="Who speaks?")).startswith("Who speaks?\n")
    assert str(recording.flow(title="Two paths")).startswith("Two paths\n")
