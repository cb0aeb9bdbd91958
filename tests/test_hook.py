"""The hook in the server's connections: what it records is what a tap sees, whatever was dropped for want of room."""

import asyncio
import gc
import threading
import tracemalloc
from dataclasses import replace

import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from wslab import charts, record, serve
from wslab.engines import measure, open_idle
from wslab.errors import LabError, RecordingError
from wslab.event import Kind
from wslab.journal import FIRST, KEEP, MANY, UP, Journal, NumberedLink, What
from wslab.masking import register_secret
from wslab.pictures import bytesview
from wslab.replay import replay

HEAD = (
    b"GET /?name=raw HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@pytest.fixture
async def hooked():
    """A server with a hook, an echo unless told otherwise."""
    servers = []

    async def start(handler=echo, **options):
        servers.append(await serve(handler, hook=True, name="Server", **options))
        return servers[-1]

    yield start
    for server in servers:
        await server.stop()


def told(recording):
    """What is said of each arrow, but for what differs from run to run and for the line that sent it."""
    rows = []
    for row in recording.rows:
        cause = row.event.cause and replace(row.event.cause, turn=0)  # a broadcast goes to a set
        event = replace(row.event, at=0, number=0, raw=b"", headers=(), origin=None, cause=cause)
        rows.append((row.number, row.free, event))
    return rows


async def talk(url, recording):
    """A conversation with every kind of frame, fragments, two clients and a broadcast."""
    async with websockets.connect(f"{url}/?name=ada", ping_interval=None) as ada:
        await recording.settled()
        async with websockets.connect(f"{url}/?name=bob", ping_interval=None) as bob:
            await ada.send("to all")
            assert [await ada.recv(), await bob.recv()] == ["to all"] * 2
            await recording.settled()
            await ada.send([b"in ", b"parts"])
            assert [await ada.recv(), await bob.recv()] == [b"in parts"] * 2
            await recording.settled()
            await (await bob.ping(b"are you there"))
            await bob.send("")
            assert [await ada.recv(), await bob.recv()] == [""] * 2
            await recording.settled()
        await recording.settled()
    await recording.settled()


async def test_it_sees_what_a_tap_sees():
    """The same conversation through a tap and through the hook gives the same rows, causes and text."""
    found = []
    for hook in (False, True):

        async def room(ws, joined=set()):  # noqa: B006
            joined.add(ws)
            try:
                async for message in ws:
                    websockets.broadcast(joined, message)
            finally:
                joined.discard(ws)

        server = await serve(room, name="Server", hook=hook)
        with record(server) as recording:
            await talk(server.url, recording)
        await server.stop()
        found.append((told(recording), recording.narrate(), bytesview.text(recording.arrow(6))))
    assert found[0] == found[1] and len(found[0][0]) > 20


@pytest.mark.parametrize("extra", [{}, {"max_size": None}])
async def test_compressed(hooked, extra):
    """Of a compressed connection the inflated payload is kept, and how many bytes crossed."""
    server = await hooked(compression="deflate", **extra)
    with record(server) as recording:
        async with websockets.connect(f"{server.url}/?name=ada") as ada:
            for _ in range(2):  # the second is compressed by reference to the first
                await ada.send("word " * 1000)
                await ada.recv()
    sent = [event for event in recording.only("ada").trace if event.kind is Kind.TEXT]
    assert [event.length for event in sent] == [5000] * 4
    assert all(event.wire_bytes < 200 and event.rsv == 0b100 and event.text.startswith("word word ") for event in sent)
    assert {len(event.payload) for event in sent} == {1024}


async def test_the_first_kib_is_kept(hooked):
    """Of a long payload 1 KiB is kept, and its true length."""
    server = await hooked(max_size=None)
    with record(server) as recording:
        async with websockets.connect(server.url, max_size=None) as ws:
            await ws.send(b"x" * 300_000)
            await ws.recv()
    up, down = [event for event in recording.trace if event.kind is Kind.BINARY]
    assert (up.length, up.wire_bytes, down.wire_bytes) == (300_000, 300_014, 300_010)
    assert up.payload == down.payload == b"x" * 1024


async def raw(server, *pieces, whole=0.0):
    """Send `pieces`, each when the one before has been read, and wait for the server's end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


BAD = {
    "unmasked": (b"\x81\x05hello", "incorrect masking"),
    "reserved bit": (b"\xc1\x85abcdhello", "reserved bits must be 0"),
    "unknown opcode": (b"\x83\x85abcdhello", "invalid opcode"),
    "long ping": (b"\x89\xfe\x00\x7eabcd" + b"p" * 126, "control frame too long"),
}


@pytest.mark.parametrize("cut", [None, 1, 3])
@pytest.mark.parametrize("name", BAD)
async def test_bytes_that_are_no_frame(hooked, name, cut):
    """What the server could not read is kept as it came, also in pieces, with the reason, before its answer."""
    data, reason = BAD[name]
    server = await hooked()
    good = Frame(Opcode.TEXT, b"good").serialize(mask=True)
    pieces = [good + data] if cut is None else [good + data[:cut], data[cut:]]
    with record(server) as recording:
        await raw(server, HEAD, *pieces)
        await recording.settled()
    events = [event for event in recording.only("raw").trace if event.kind is not Kind.LOG]
    kinds = [event.kind for event in events]
    assert kinds[:3] == [Kind.REQUEST, Kind.RESPONSE, Kind.TEXT]
    invalid = next(event for event in events if event.kind is Kind.INVALID)
    close = next(event for event in events if event.kind is Kind.CLOSE)
    assert reason in invalid.note and events.index(invalid) < events.index(close)
    assert data.startswith(invalid.raw) and len(invalid.raw) >= 2  # the server stops where it knows enough
    assert (close.up, close.code) == (False, 1002)
    assert kinds[-1] is Kind.END


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        (b"hello there\r\n\r\n", ["invalid", "end"]),
        (b"GET / HT", ["invalid", "end"]),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", ["request", "response", "end"]),
        (HEAD.replace(b"127.0.0.1", b"evil.example"), ["request", "response", "end"]),
        (b"GET /" + b"a" * 9000, ["invalid", "response", "end"]),
        (HEAD + b"\x81", ["request", "response", "invalid", "end"]),
        (HEAD + BAD["unmasked"][0], ["request", "invalid", "response", "end"]),
        (b"", ["end"]),
    ],
)
async def test_what_never_becomes_a_conversation(hooked, sent, kinds):
    """A refused, broken or silent handshake is recorded as what it is, and so is half a frame."""
    server = await hooked(open_timeout=0.5)
    with record(server) as recording:
        _, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write_eof()
        async with asyncio.timeout(5):
            while Kind.END not in [event.kind for event in recording.trace]:
                await asyncio.sleep(0.01)
        writer.close()
    assert [event.kind for event in recording.trace if event.kind is not Kind.LOG] == kinds


async def test_frames_that_come_with_the_handshake(hooked):
    """A client that does not wait for the answer: its frame is told from its request."""
    server = await hooked()
    with record(server) as recording:
        _, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        writer.write(HEAD + Frame(Opcode.TEXT, b"early").serialize(mask=True))
        async with asyncio.timeout(5):
            while sum(event.kind is Kind.TEXT for event in recording.trace) < 2:
                await asyncio.sleep(0.01)
        writer.close()
    assert [event.payload for event in recording.only("raw").trace if event.kind is Kind.TEXT] == [b"early"] * 2


async def test_names(hooked):
    """Clients are called as they wish; who wishes for nothing by a number that no other is given."""
    server = await hooked()
    urls = ["", "", "/?name=ada", "/?name=ada", "/?name=Client+2", "/?name=Server"]
    with record(server) as recording:
        clients = [await websockets.connect(server.url + url) for url in urls]
        await clients[2].close()
        await recording.settled()
        async with websockets.connect(f"{server.url}/?name=ada"):
            await recording.settled()
        for client in clients:
            await client.close()
    asked = [(event.connection, event.life) for event in recording.trace if event.kind is Kind.REQUEST]
    assert asked == [(name, 0) for name in ("Client", "Client 2", "ada", "ada 2", "Client 3", "Server 2")] + [
        ("ada", 1)
    ]


async def test_several_recordings_at_once(hooked):
    """Each recording has what happened while it was open; without one nothing is kept."""
    server = await hooked()
    async with websockets.connect(f"{server.url}/?name=ada") as ws:
        with record(server) as outer:
            await ws.send("one")
            await ws.recv()
            with record(server) as inner:
                await ws.send("two")
                await ws.recv()
        await ws.send("three")
        await ws.recv()
    texts = [[event.text for event in recording.trace if event.up] for recording in (outer, inner)]
    assert texts == [["one", "two"], ["two"]]
    assert [event.ordinal for event in inner.trace] == [1, 1]


async def test_a_server_on_a_thread(hooked):
    """A server with a loop of its own is recorded and read while it writes."""
    server = await hooked(background=True)
    done = threading.Event()
    counts = []

    def read():
        while not done.is_set():
            counts.append(sum(1 for event in recording.trace))

    with record(server) as recording:
        reader = threading.Thread(target=read)
        reader.start()
        async with websockets.connect(server.url, compression=None) as ws:
            for number in range(500):
                await ws.send(f"{number}")
                await ws.recv()
        done.set()
        reader.join()
        await recording.settled()
    texts = [event.text for event in recording.trace if event.kind is Kind.TEXT]
    assert texts == [f"{number}" for number in range(500) for _ in range(2)]
    assert counts == sorted(counts)


async def test_hundreds_of_connections(hooked):
    """Clients in another process, opened and spoken to: each has its handshake, its message and its end."""

    async def idle(ws):
        await ws.wait_closed()

    server = await hooked(idle, ping_interval=None)
    with record(server) as recording:
        crowd = await open_idle(server.url, 200)
        delays = await crowd.broadcast(lambda: websockets.broadcast(server.connections, "to all"))
        await crowd.close()
        await recording.settled()
    assert len(delays) == 200
    trace = await asyncio.to_thread(lambda: recording.trace)
    by_kind = {kind: {event.connection for event in trace if event.kind is kind} for kind in Kind}
    for kind in (Kind.REQUEST, Kind.RESPONSE, Kind.TEXT, Kind.CLOSE, Kind.END):
        assert len(by_kind[kind]) == 200
    assert [e.kind for e in recording.only("Client 77").trace if e.kind is not Kind.CLOSE] == [
        Kind.REQUEST,
        Kind.RESPONSE,
        Kind.TEXT,
        Kind.END,
    ]


async def test_load_is_measured_bounded_and_drawn(hooked):
    """The load generator asks a learner's own server, for a bounded time; its percentiles can be drawn."""
    server = await hooked(ping_interval=None)
    found = await measure(server.url, clients=4, seconds=0.2)
    percents = [1, 50, 90, 99, 100]
    curve = [(percent, 1000 * found.percentile(percent)) for percent in percents]
    assert [value for _, value in curve] == sorted(value for _, value in curve)
    assert curve[-1][1] == 1000 * max(found.latencies_s) and len(found.latencies_s) > 20

    def drawn():
        lines = charts.lines({"echo": curve}, title="Percentiles", x="percent of answers", y="ms")
        return f"{lines} {charts.spread({'echo': [1000 * one for one in found.latencies_s]}, title='Answers')}"

    text = await asyncio.to_thread(drawn)
    assert "percent of answers" in text and "p99" in text
    for seconds in (0, 301, float("nan")):
        with pytest.raises(LabError, match="takes up to 300 seconds"):
            await measure(server.url, seconds=seconds)


async def test_secrets(hooked):
    """What is masked behind a tap is masked here: credentials in a head, registered secrets, also in fragments."""
    register_secret("opensesame")
    server = await hooked()
    with record(server) as recording:
        async with websockets.connect(
            f"{server.url}/?token=t0ken", additional_headers={"Authorization": "Bearer s3cret"}
        ) as ws:
            await ws.send("say opensesame!")
            await ws.recv()
            await ws.send(["the word is open", "sesame, is it", "?"])
            await ws.recv()
            await ws.send("x" * 1018 + "opensesame")  # across the end of what is kept
            await ws.recv()
    kept = b"".join(event.raw + event.payload + repr(event.headers).encode() for event in recording.trace)
    texts = [event.text for event in recording.trace if event.up and event.kind in (Kind.TEXT, Kind.CONTINUATION)]
    for secret in (b"t0ken", b"s3cret", b"opensesame", b"sesame"):
        assert secret not in kept
    assert texts[0] == "say **********!" and texts[1].endswith(" is ****") and texts[2].startswith("******, is")
    assert texts[-1].endswith("x******") and len(texts[-1]) == 1024


async def test_what_was_asked_wrongly(hooked):
    """A server with neither tap nor hook still has nothing to record."""
    server = await serve(echo, name="bare", tap=False)
    with pytest.raises(RecordingError, match="tap=False"):
        record(server)
    await server.stop()


# The journal --------------------------------------------------------------------------------------------

KINDS = [Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG, Opcode.CLOSE]
frames = st.builds(
    lambda number, up, opcode, size, fin: (number, up, Frame(opcode, b"\x03\xe8" + b"p" * size, fin)),
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from(KINDS),
    st.integers(0, 3000),
    st.booleans(),
)
ends = st.builds(lambda number: (number, True, None), st.integers(0, 5))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(frames, frames, frames, ends), max_size=250),
    st.integers(1 << 17, 1 << 20),
    st.integers(1, 4),
    st.integers(1, MANY),
)
def test_after_any_eviction_every_record_is_whole(items, budget, times, chunk):
    """Whatever was dropped, what is left is the newest part, each record decodes to what went in, and room suffices."""
    journal = Journal(budget)
    links = [NumberedLink(name=f"c{n}") for n in range(6)]
    expected = []
    for _ in range(times):
        for number, up, frame in items:
            link = links[number]
            if frame is None:
                journal.add(What.END, up, link, b"", "FIN")
                links[number] = NumberedLink(name=link.name)
                expected.append((link.name, Kind.END, b"", 0))
            else:
                size = len(frame.data)
                if frame.opcode >= 8:
                    frame = Frame(frame.opcode, frame.data[:125])
                    size = len(frame.data)
                data = frame.serialize(mask=up)
                journal.notes.extend((UP if up else 0, 5, link, 7, data[:FIRST], None, 0))
                kind = Kind(frame.opcode.name.lower().replace("cont", "continuation"))
                expected.append((link.name, kind, frame.data[:KEEP], size))
                if len(journal.notes) >= chunk:
                    journal.flush()
            assert journal.used <= budget
    found = [(e.connection, e.kind, e.payload, e.length) for e in replay(journal, "Server")]
    assert found == expected[len(expected) - len(found) :]
    assert journal.used <= budget


def test_a_continuation_whose_beginning_is_gone_is_masked():
    """While a secret is registered, nothing of a fragment is shown whose beginning was dropped."""
    register_secret("opensesame")
    journal, link = Journal(), NumberedLink(name="ada")
    for frame in (Frame(Opcode.CONT, b"sesame", False), Frame(Opcode.CONT, b"me"), Frame(Opcode.TEXT, b"free")):
        journal.notes.extend((UP, 5, link, 0, frame.serialize(mask=True), None, 0))
    events = list(replay(journal, "Server"))
    assert [event.payload for event in events] == [b"******", b"**", b"free"]


def test_the_budget_holds_in_memory():
    """A journal that has dropped most of what it got takes no more memory than its budget, and a little."""
    link, data = NumberedLink(name="ada"), Frame(Opcode.TEXT, b"x" * 64).serialize(mask=True)
    gc.collect()
    tracemalloc.start()
    journal = Journal(1 << 20)
    for number in range(40_000):
        journal.notes.extend((UP, 5, link, number, bytes(data), None, 0))
        if len(journal.notes) >= MANY:
            journal.flush()
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    kept = list(journal)
    assert memory < 1.3 * (1 << 20) and [record.ordinal for record in kept] == list(range(40_000 - len(kept), 40_000))
    assert journal.used / len(kept) <= 96


def test_a_million_short_connections():
    """Who came and went is forgotten with what they said."""
    journal = Journal(1 << 18)
    for _ in range(20_000):
        journal.add(What.END, True, NumberedLink(name="x"), b"", "FIN")
    assert journal.used <= 1 << 18 and 0 < sum(1 for _ in journal) < 20_000
