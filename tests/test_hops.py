"""One recording of several hops: clients, load balancer, servers, backplane, database; its order and its causes."""

import asyncio
import json
from itertools import permutations

import pytest
from rooms import BALANCER, needs_engines, three_servers, visit, whole
from websockets import connect

from wslab import quiet
from wslab.backplane import NatsDecoder
from wslab.cause import Link, links
from wslab.engines import facts
from wslab.errors import RecordingError
from wslab.event import Why
from wslab.masking import register_secret
from wslab.order import canonical
from wslab.recording import Recording, load, record
from wslab.server import serve
from wslab.tap import Tap
from wslab.trace import OPENING, Cause, Event, Kind, Trace, begin, finish


class Hop:
    """Writes events of one connection down as its tap would."""

    def __init__(self, name, tap, near=None):
        self.name, self.tap, self.near = name, tap, near or name
        self.events, self.counts = [], {True: 0, False: 0}

    def add(self, kind, up=True, **fields):
        if kind in (Kind.TEXT, Kind.DELIVER) or (kind is Kind.CLOSE and not up):
            fields["ordinal"] = self.counts[up]
            self.counts[up] += 1
        ends = (self.near, self.tap) if up else (self.tap, self.near)
        event = Event(
            kind=kind,
            up=up,
            source=ends[0],
            target=ends[1],
            connection=self.name,
            tap=self.tap,
            number=len(self.events),
            **fields,
        )
        self.events.append(event)
        return event

    def says(self, text, up=True, **fields):
        return self.add(Kind.TEXT, up, payload=text.encode(), **fields)


def pair(name="ada", server="Server 1"):
    """One connection in front of the balancer and behind it."""
    return Hop(name, BALANCER), Hop(name, server, BALANCER)


def drawn(events):
    """What the rows show: who, to whom, what, and whether order is free."""
    rows = canonical(Trace(events))
    return [
        f"{'┊' if row.free else ''}{row.event.source} → {row.event.target} "
        f"{row.event.headline or row.event.text or row.event.kind}"
        for row in rows
    ]


def mixtures(*lines):
    """All ways to mix two lines, each in its own order."""
    first, second = lines
    for order in set(permutations([0] * len(first) + [1] * len(second))):
        rest = [iter(first), iter(second)]
        yield [next(rest[i]) for i in order]


# The order of what crosses two hops


def test_two_hops_of_a_connection():
    """Question, its copy, answer, its copy: in that order, however the taps' events are mixed."""
    front, back = pair()
    for hop in (front, back):
        hop.says("ask")
        hop.says("answer", up=False)
    expected = [
        "ada → Load balancer ask",
        "Load balancer → Server 1 ask",
        "Server 1 → Load balancer answer",
        "Load balancer → ada answer",
    ]
    assert [drawn(events) for events in mixtures(front.events, back.events)] == [expected] * 6


def test_handshake_and_end_over_two_hops():
    """Both halves of the handshake, close frames and the ends of TCP follow each other from hop to hop."""
    front, back = pair()
    for hop in (front, back):
        hop.add(Kind.REQUEST)
        hop.add(Kind.RESPONSE, up=False)
        hop.add(Kind.CLOSE)
        hop.add(Kind.CLOSE, up=False)
        hop.add(Kind.END, up=False)
    there = ["ada → Load balancer {}", "Load balancer → Server 1 {}"]
    back_again = ["Server 1 → Load balancer {}", "Load balancer → ada {}"]
    told = [(there, "request"), (back_again, "response"), (there, "close"), (back_again, "close"), (back_again, "end")]
    expected = [line.format(what) for lines, what in told for line in lines]
    assert drawn(front.events + back.events) == drawn(back.events + front.events) == expected


@pytest.mark.parametrize("note", ["RST", "FIN", "cut"])
def test_end_of_a_client_reaches_the_server(note):
    """What a client ends, or what is cut in front of the balancer, is drawn before its end behind it."""
    front, back = pair()
    front.add(Kind.END, note=note)
    back.add(Kind.END, note="FIN")
    assert drawn(back.events + front.events) == ["ada → Load balancer end", "Load balancer → Server 1 end"]


def test_cut_behind_the_balancer_reaches_the_client():
    """What is cut behind the balancer is drawn before the client's end."""
    front, back = pair()
    front.add(Kind.END, up=False)
    back.add(Kind.END, note="cut")
    assert drawn(front.events + back.events) == ["Load balancer → Server 1 end", "Load balancer → ada end"]


def test_balancer_that_closes_by_itself():
    """A balancer that closes both sides passes no close frame on: either side has an order of its own."""
    front, back = pair()
    front.add(Kind.CLOSE, up=False, code=1001)
    front.add(Kind.CLOSE, code=1001)
    back.add(Kind.CLOSE, code=1001)
    back.add(Kind.CLOSE, up=False, code=1001)
    texts = {tuple(drawn(events)) for events in mixtures(front.events, back.events)}
    assert texts == {
        (
            "Load balancer → Server 1 close",
            "Load balancer → ada close",
            "ada → Load balancer close",
            "Server 1 → Load balancer close",
        )
    }


def test_recording_that_begins_between_two_taps():
    """A message that was between two taps when the recording began does not shift the others."""
    front, back = pair()
    for text in ("early", "late"):
        front.says(text)
        back.says(text)
    assert drawn(back.events + front.events[1:]) == [
        "ada → Load balancer late",
        "Load balancer → Server 1 early",
        "Load balancer → Server 1 late",
    ]


def test_handler_works_where_the_message_reached_it():
    """A statement of a handler stands below the message behind the balancer, not only below that in front."""
    front, back = pair()
    front.says("ask")
    back.says("ask")
    statement = Event(
        kind=Kind.SQL, source="Server 1", target="Database", payload=b"SELECT", cause=Cause("ada", 0, 0, own=True)
    )
    assert drawn([statement, *front.events, *back.events])[-1] == "Server 1 → Database SELECT"


def test_published_before_delivered():
    """MSG stands below the PUB of the same subject and content; what follows from it below MSG."""
    (front, back), (heard, far) = pair("ada"), pair("bob", "Server 2")
    one, two = Hop("Server 1", "Backplane"), Hop("Server 2", "Backplane")
    front.says("hi")
    back.says("hi")
    one.add(Kind.PUBLISH, headline="PUB room", payload=b"hi", cause=Cause("ada", 0, 0))
    two.add(Kind.DELIVER, up=False, headline="MSG room", payload=b"hi", note="1")
    far.says("hi", up=False, cause=Cause("Server 2", 0, 0))
    heard.says("hi", up=False)
    expected = [
        "ada → Load balancer hi",
        "Load balancer → Server 1 hi",
        "Server 1 → Backplane PUB room",
        "Backplane → Server 2 MSG room",
        "Server 2 → Load balancer hi",
        "Load balancer → bob hi",
    ]
    lines = [front.events + back.events + one.events, two.events + far.events + heard.events]
    assert drawn(lines[0] + lines[1]) == drawn(lines[1] + lines[0]) == expected


def test_who_subscribed_late():
    """Of two equal messages, who subscribed late got the last one."""
    one, two = Hop("Server 1", "Backplane"), Hop("Server 2", "Backplane")
    for _ in range(2):
        one.add(Kind.PUBLISH, headline="PUB room", payload=b"hi")
    two.add(Kind.DELIVER, up=False, headline="MSG room", payload=b"hi", note="1")
    assert drawn(two.events + one.events) == ["Server 1 → Backplane PUB room"] * 2 + ["Backplane → Server 2 MSG room"]


# Causes that another process reports


@pytest.mark.parametrize("late", [False, True])
def test_reported_cause(late):
    """A frame has its reported cause at both taps, whether the report came before or after it."""
    front, back = pair()
    trace, cause = Trace(), Cause("ada", OPENING, 0)
    frames = [back.says("hi", up=False), front.says("hi", up=False)]
    if not late:
        trace.because(Why(("ada", 0, 0), cause))
    for frame in frames:
        trace.offer(frame)
    if late:
        trace.because(Why(("ada", 0, 0), cause))
    assert [event.cause for event in trace] == [cause, cause]


@pytest.mark.parametrize("order", ["wwee", "weew", "eeww", "ewew"])
def test_reported_causes_of_equal_commands(order):
    """Of equal commands to the backplane each has its own cause, in the order in which they were sent."""
    hop, trace = Hop("Server 1", "Backplane"), Trace()
    events = iter([hop.add(Kind.PUBLISH, headline="PUB room", payload=b"hi", length=2) for _ in range(2)])
    causes = [Cause("ada", 0, 0), Cause("ada", 1, 0)]
    whys = iter([Why(("Server 1", "PUB room", 2), cause) for cause in causes])
    for letter in order:
        trace.because(next(whys)) if letter == "w" else trace.offer(next(events))
    assert [event.cause for event in trace] == causes


@pytest.fixture
def trace():
    """An open trace."""
    opened = Trace()
    begin(opened)
    yield opened
    finish(opened)


def test_facts_of_a_process(trace):
    """What a process reports of a connection that it knows by its ports is published under the client's name."""
    links[50_001, 50_002] = Link(name="ada", life=3)
    try:
        facts.receive("Server 2", json.dumps({"asked": "50001:50002"}))
    finally:
        del links[50_001, 50_002]  # the connection may be gone before its last facts arrive
    lines = []
    outbox = facts.Outbox(lines.append)
    cause = Cause("50001:50002", 4, 1, own=True)
    outbox.offer(Event(kind=Kind.LOG, source="Server", target="Log", payload=b"INFO secret-7 saved", cause=cause))
    outbox.because(Why(("50001:50002", 0, 9), cause))
    register_secret("secret-7")  # in the kernel: the process does not know it
    for line in lines:
        facts.receive("Server 2", line)
    (event,) = trace
    assert (event.source, event.target, event.connection, event.life) == ("Server 2", "Log", "ada", 3)
    assert event.cause == Cause("ada", 4, 1, 3, own=True)
    assert event.text == event.note == "INFO ******** saved"
    trace.offer(Event(kind=Kind.TEXT, up=False, connection="ada", life=3, ordinal=9))
    assert trace.events[1].cause == Cause("ada", 4, 1, 3, own=True)


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"take": ["1:2", 0, 0, 0]}', '{"rest": 1, "reason": ""}'])
def test_facts_without_sense(trace, line):
    """A line that is no fact, or about nobody, is dropped."""
    facts.receive("Server 9", line)
    assert len(trace) == 0


# NATS on the wire

UP = (
    b'CONNECT {"verbose":false,"name":"Server 1","pass":"hush"}\r\nPING\r\nSUB room.1 1\r\nSUB work crew 2\r\n'
    b"PUB room.1 5\r\nhello\r\nHPUB room.1 _INBOX.x7.1 19 21\r\nNATS/1.0\r\nA: b \r\n\r\nhi\r\nPUB room.1 0\r\n\r\n"
    b"UNSUB 1 5\r\nPONG\r\n"
)
DOWN = (
    b'INFO {"server_id":"N1","client_id":7}\r\nPONG\r\nMSG room.1 1 5\r\nhello\r\n+OK\r\n'
    b"HMSG _INBOX.x7.1 2 reply 12 16\r\nNATS/1.0\r\n\r\n\r\nho\r\nPING\r\n-ERR 'Stale Connection'\r\n"
)
SAID = [
    ("command", "CONNECT", "", True),
    ("command", "PING", "", True),
    ("command", "SUB room.1", "", False),
    ("command", "SUB work crew", "", False),
    ("publish", "PUB room.1", "hello", False),
    ("publish", "PUB room.1", "hi", False),
    ("publish", "PUB room.1", "", False),
    ("command", "UNSUB room.1", "", False),
    ("command", "PONG", "", True),
]
TOLD = [
    ("command", "INFO", "", True),
    ("command", "PONG", "", True),
    ("deliver", "MSG room.1", "hello", False),
    ("command", "+OK", "", True),
    ("deliver", "MSG _INBOX.…", "\r\nho", False),
    ("command", "PING", "", True),
    ("command", "-ERR 'Stale Connection'", "", False),
]


def told(events):
    return [(event.kind, event.headline, event.text, event.keepalive) for event in events]


def test_nats_split_anywhere():
    """However the bytes are cut, the same events come out, with the same bytes in them."""
    seen = set()
    for cut in range(max(len(UP), len(DOWN)) + 1):
        decoder = NatsDecoder()
        down = decoder.feed(False, DOWN[:cut])
        assert down == []  # who speaks is not known before CONNECT
        up = [event for part in (UP[:cut], UP[cut:]) for event in decoder.feed(True, part)]
        down = [event for event in up if not event.up] + decoder.feed(False, DOWN[cut:])
        up = [event for event in up if event.up]
        assert (told(up), told(down), decoder.name, decoder.client) == (SAID, TOLD, "Server 1", 7)
        seen.add(tuple(up + down))
        assert decoder.end(True) == decoder.end(False) == []
    (events,) = seen
    assert b"".join(event.raw for event in events if event.up) == UP.replace(b"hush", b"****")
    assert b"".join(event.raw for event in events if not event.up) == DOWN
    assert [event.headers for event in events if event.headers] == [(("A", "b"),)]
    assert [event.ordinal for event in events if event.kind is Kind.DELIVER] == [0, 1]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"HELLO\r\n", "no operation of the NATS protocol"),
        (b"MSG a 1 0\r\n\r\n", "no operation of the NATS protocol"),
        (b"PUB room\r\n", "PUB with 1 arguments"),
        (b"PUB room -1\r\n", "no length, or one that is too long"),
        (b"PUB room 99999999999\r\n", "no length, or one that is too long"),
        (b"PUB room 2\r\nabcdef", "PUB does not end where its length says"),
        (b"HPUB room 9 2\r\nab\r\n", "HPUB does not end where its length says"),
        (b"x" * 70_000, "line too long"),
    ],
)
def test_nats_not_valid(sent, reason):
    """What is not of the protocol becomes one event with the rule; the rest of that direction is not decoded."""
    decoder = NatsDecoder()
    decoder.feed(True, b"CONNECT {}\r\n")
    (event,) = decoder.feed(True, sent)
    assert (event.kind, event.note) == (Kind.INVALID, reason)
    assert decoder.feed(True, b"PING\r\n") == decoder.end(True) == []


def test_nats_ends_in_the_middle():
    """Half a message becomes an event of its own, without the secrets in it."""
    register_secret("tell-nobody")
    decoder = NatsDecoder()
    assert decoder.feed(True, b"PUB room 40\r\nI tell-nobody, but tell-no") == []
    (event,) = decoder.end(True)
    assert (event.kind, event.note) == (Kind.INVALID, "the bytes end in the middle")
    assert event.raw == b"PUB room 40\r\nI ***********, but *******"


# Taps one behind the other


async def echo(ws):
    async for message in ws:
        await ws.send(message.upper())


TWO_HOPS = """
      ada                      Load balancer                    Server 1
 1     │── GET /?name=ada  Upgrade ─▶│                             │
 2     │                             │── GET /?name=ada  Upgrade ─▶│
 3     │                             │◀─ 101 Switching Protocols ──│
 4     │◀─ 101 Switching Protocols ──│                             │
 5     │── TEXT "hi" ───────────────▶│ 2 B                         │
 6     │                             │── TEXT "hi" ───────────────▶│ 2 B
 7     │                             │◀─────────────── TEXT "HI" ──┨ 2 B
 8     │◀─────────────── TEXT "HI" ──│ 2 B                         │
 9     │── CLOSE 1000 ──────────────▶│                             │
10     │                             │── CLOSE 1000 ──────────────▶│
11     │                             │◀────────────── CLOSE 1000 ──│
12     │◀────────────── CLOSE 1000 ──│                             │
13     │                             │◀───────────────── TCP end ──│
14     │◀───────────────── TCP end ──│                             │
 Order is real along one line and from cause to effect."""


class Chain:
    """A server behind two taps, the first of which stands for a balancer: it changes no byte."""

    name, running = "Chain", True

    async def __aenter__(self):
        self.loop = asyncio.get_running_loop()
        self.server = await serve(echo, tap=False)
        port = int(self.server.url.rpartition(":")[2])
        self.back = await Tap("127.0.0.1", port, server="Server 1", client=BALANCER).start()
        self.front = await Tap("127.0.0.1", self.back.port, server=BALANCER).start()
        self.taps = [self.front, self.back]
        return self

    async def __aexit__(self, *exc):
        await self.server.stop()
        for tap in self.taps:
            tap.close()


async def test_one_name_on_both_hops():
    """A connection has the client's name and lives on both hops, its frames one cause; each counts once."""
    async with Chain() as chain:
        with record(chain) as recording:
            for _ in range(2):
                async with connect(f"ws://127.0.0.1:{chain.front.port}/?name=ada") as ws:
                    await ws.send("hi")
                    await ws.recv()
                await recording.settled()
    events = [row.event for row in recording.rows]
    assert {(event.connection, event.life) for event in events} == {("ada", 0), ("ada", 1)}
    answers = [event.cause for event in events if event.kind is Kind.TEXT and not event.up]
    assert [(cause.connection, cause.life, cause.message) for cause in answers] == [("ada", 0, 0)] * 2 + [
        ("ada", 1, 0)
    ] * 2
    assert str(recording).splitlines()[0] == "2 connections · 4 messages · 8 payload bytes"
    first = Recording(Trace(event for event in recording.trace if not event.life))
    first.trace.takes = recording.trace.takes
    assert str(first) == f"1 connection · 2 messages · 4 payload bytes{TWO_HOPS}"
    assert "answers no message" not in str(recording.narrate())


async def test_health_checks_are_left_out():
    """What a balancer asks to see whether a server lives is keepalive: no row, no name, no reason to wait."""
    async with Chain() as chain:
        with record(chain) as recording:
            reader, writer = await asyncio.open_connection("127.0.0.1", chain.back.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await reader.read()
            chain.back.target = "127.0.0.1", 1  # nobody listens there
            reader, writer = await asyncio.open_connection("127.0.0.1", chain.back.port)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await recording.settled()
        assert recording.rows == []
        assert [event.keepalive for event in recording.trace] == [True] * len(recording.trace)
        assert {event.connection for event in recording.trace} == {"health check"}


async def test_frame_inside_the_balancer(monkeypatch):
    """A step has not ended while a frame was seen in front of the balancer and not yet behind it."""
    monkeypatch.setattr(quiet, "TIMEOUT_S", 0.1)
    async with Chain() as chain, connect(f"ws://127.0.0.1:{chain.front.port}/?name=ada"):
        with record(chain) as recording:
            for connection in chain.front.connections:
                connection.frames[True] += 1  # as if the balancer kept it
            with pytest.raises(RecordingError, match="a frame of ada is between two taps"):
                await recording.settled()
            for connection in chain.front.connections:
                connection.frames[True] -= 1
            await recording.settled()


# The real thing


@needs_engines
async def test_room_on_three_servers(tmp_path, monkeypatch):
    """One message goes from a client over balancer, server, database, backplane to six clients, each hop an arrow."""
    async with three_servers(tmp_path, monkeypatch) as cluster:
        recordings = [await visit(cluster, seed) for seed in (None, 1, 2)]
        texts = {whole(recording) for recording in recordings}
        assert len(texts) == 1
        recording = recordings[0]
        step = [row.event for row in recording.rows if row.event.step == 6]
        assert [f"{event.source} → {event.target} {event.headline or event.text}" for event in step] == [
            "c1 → Load balancer hello",
            "Load balancer → Server 1 hello",
            "Server 1 → Database INSERT INTO notes VALUES ('hello')",
            "Server 1 → Log INFO saved hello",
            "Server 1 → Backplane PUB room.1",
            *(f"Backplane → Server {number} MSG room.1" for number in (1, 2, 3)),
            *(f"Server {number} → Load balancer hello" for number in (1, 2, 3, 1, 2, 3)),
            *(f"Load balancer → c{number} hello" for number in range(1, 7)),
        ]
        assert [event.cause.connection for event in step if event.kind is Kind.PUBLISH] == ["c1"]
        heard = [event.cause.connection for event in step if event.kind is Kind.TEXT and not event.up]
        assert heard == [f"Server {number}" for number in (1, 2, 3)] * 4
        recording.save(tmp_path / "room.jsonl")
        assert whole(load(tmp_path / "room.jsonl")) == whole(recording)
        assert "Load balancer" not in str(recording.without(BALANCER))
        assert "2 messages" not in str(recording) and "14 messages" in str(recording)
        await backplane_comes_back(cluster)
        assert whole(await visit(cluster)) == whole(recording)
        await unfinished_work_is_known(cluster)
        await frozen_server_is_not_waited_for(cluster)
        await measured_servers_are_unheard(cluster)


async def backplane_comes_back(cluster):
    """Servers subscribe again, on connections whose messages are counted anew."""
    with record(cluster) as recording:
        await cluster.backplane.restart()
        async with asyncio.timeout(10):
            while [event.headline for event in recording.trace].count("SUB room.1") < 3:
                await asyncio.sleep(0.01)
        await recording.settled()


async def unfinished_work_is_known(cluster):
    """A handler that sleeps in another process keeps a step open: all that it did is in it."""
    async with connect(f"{cluster.url}/?name=ada", compression=None) as ws:
        with record(cluster) as recording:
            await ws.send("slow")
            await recording.settled()  # nothing is awaited before
    kinds = [row.event.kind for row in recording.rows]
    assert [kinds.count(kind) for kind in (Kind.LOG, Kind.PUBLISH, Kind.DELIVER, Kind.TEXT)] == [1, 1, 3, 4]


async def measured_servers_are_unheard(cluster):
    """While they are unheard, servers work on and report nothing; afterwards they report again."""
    async with facts.unheard(cluster.servers), connect(f"{cluster.url}/?name=ada", compression=None) as ws:
        with record(cluster) as recording:
            await ws.send("hello")
            await ws.recv()
            await recording.settled()
    assert not any(row.event.cause for row in recording.rows)
    assert any(row.event.cause for row in (await visit(cluster)).rows)


async def frozen_server_is_not_waited_for(cluster):
    """A process that stands still is at rest."""
    cluster.servers[2].freeze()
    try:
        with record(cluster) as recording:
            await recording.settled()
    finally:
        cluster.servers[2].thaw()


def test_muted_process():
    """A process that is not listened to reports nothing but that it is at rest."""
    lines = []
    outbox = facts.Outbox(lines.append)
    outbox.muted = True
    outbox.offer(Event(kind=Kind.LOG, source="Server", target="Log"))
    outbox.send(rest=1, reason="")
    assert lines == ['{"rest": 1, "reason": ""}']


async def test_silent_process_is_named(monkeypatch):
    """A process that does not answer is named."""
    monkeypatch.setattr(facts, "ANSWER_S", 0.1)

    class Deaf:
        name, running, frozen = "Server 2", True, False

        def tell(self, line):
            assert json.loads(line)["ask"] >= 0

    assert await facts.at_rest([Deaf()]) == "Server 2 does not answer"
