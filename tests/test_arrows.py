"""Arrows by number: which line sent them, and because of which other arrow."""

import asyncio
import logging
import sqlite3
import threading

import pytest
from websockets import broadcast, connect
from websockets.client import ClientProtocol
from websockets.protocol import Protocol
from websockets.sync.client import connect as connect_sync

from wslab import load, origin, record, serve
from wslab.errors import RecordingError
from wslab.masking import register_secret
from wslab.origin import MOST, Origin
from wslab.sources import watch_log, watch_sql
from wslab.trace import Kind


@pytest.fixture
async def served():
    """Start servers that are stopped at the end of the test."""
    servers = []

    async def start(handler, **options):
        servers.append(await serve(handler, **options))
        return servers[-1]

    yield start
    for server in servers:
        await server.stop()


def sources(recording):
    """The lines that sent the arrows, without the library's own."""
    return [row.event.origin.source for row in recording.rows if row.event.origin is not None]


async def test_every_line_of_a_conversation(served):
    """Client, handler, task, database and log: each arrow knows its line; the library's own arrows know none."""
    log = logging.Logger("test")
    watch_log(log)
    database = watch_sql(sqlite3.connect(":memory:"))

    async def later(ws):
        await ws.send("more")

    async def handler(ws):
        async for message in ws:
            log.info("heard")
            database.execute("SELECT 1")
            await ws.send(message)
            await asyncio.create_task(later(ws), name="afterthought")

    server = await served(handler)
    with record(server) as recording:
        async with connect(f"{server.url}/?name=Ada") as ws:
            await ws.send("hello")
            await ws.recv()
            await ws.recv()
            broadcast(server.connections, "all")
            await ws.recv()
        await recording.settled()
    assert sources(recording) == [
        'async with connect(f"{server.url}/?name=Ada") as ws:',
        'await ws.send("hello")',
        'log.info("heard")',
        'database.execute("SELECT 1")',
        "await ws.send(message)",
        'await ws.send("more")',
        'broadcast(server.connections, "all")',
        'async with connect(f"{server.url}/?name=Ada") as ws:',
    ]
    line = later.__code__.co_firstlineno + 1
    assert str(recording.why(7)).splitlines() == [
        '7. Server sends Ada the text message "more", 4 bytes.',
        f"Sent by line {line} of test_arrows.py, in later(), in the task afterthought:",
        '    await ws.send("more")',
        "Because of arrow 3.",
    ]
    assert recording.cause(8) is None and "Because of" not in recording.why(8)
    assert recording.why(2).splitlines()[1:] == [
        "No line of yours is known to have sent it: a library did by itself, or another program."
    ]
    assert recording.why(11).splitlines() == ["11. TCP end", "TCP ended: no line sends that."]


async def test_the_cause_is_what_the_task_was_given(served):
    """A task that waited keeps the message of the handler's that it was started for, whatever came since."""

    async def handler(ws):
        bell, tasks = asyncio.Event(), []
        async for message in ws:
            if message == "ring":
                bell.set()
            else:
                tasks.append(asyncio.create_task(remind(ws, bell)))

    async def remind(ws, bell):
        await bell.wait()
        await ws.send("now")

    server = await served(handler)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send("remind me")
            await ws.send("ring")
            await ws.recv()
        await recording.settled()
    assert recording.arrow(5).text == "now"
    assert recording.cause(5) == 3
    assert recording.arrow(5).origin.function == "remind"


async def test_controls_and_fragments(served):
    """Each frame of a message in parts, a ping, and a close with a code have the line that asked for them."""

    async def handler(ws):
        async for _ in ws:
            await ws.close(4001)

    server = await served(handler)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await (await ws.ping(b"ping!"))
            await ws.send(["in ", "parts"])
            await ws.wait_closed()
        await recording.settled()
    lines = {row.event.kind: row.event.origin for row in recording.rows if not row.event.up}
    assert lines[Kind.PONG] is None
    assert lines[Kind.CLOSE].source == "await ws.close(4001)"
    assert sources(recording)[1:-1] == ['await (await ws.ping(b"ping!"))', *['await ws.send(["in ", "parts"])'] * 3]
    answer = next(row.event for row in recording.rows if row.event.kind is Kind.CLOSE and row.event.up)
    assert answer.origin is None  # the client's library answers by itself


async def test_synchronous_clients_and_threads(served):
    """A client on a thread knows its line, without any task."""

    async def handler(ws):
        async for message in ws:
            await ws.send(message)

    server = await served(handler, background=True)

    def talk():
        with connect_sync(server.url) as ws:
            ws.send("hello")
            ws.recv()

    with record(server) as recording:
        thread = threading.Thread(target=talk)
        thread.start()
        await asyncio.to_thread(thread.join)
        await recording.settled()
    sent = recording.arrow(3).origin
    assert (sent.source, sent.function, sent.task) == ('ws.send("hello")', "talk", "")


async def test_saved_and_loaded(served, tmp_path):
    """The line is saved with its arrow."""

    async def handler(ws):
        await ws.send("welcome")
        await ws.wait_closed()

    server = await served(handler)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.recv()
        await recording.settled()
    recording.save(tmp_path / "one.jsonl")
    assert load(tmp_path / "one.jsonl").why(3) == recording.why(3)
    assert 'await ws.send("welcome")' in recording.why(3)


async def test_a_secret_in_a_line_is_masked(served):
    """A registered secret that stands in the source is asterisks."""
    register_secret("open sesame")

    async def handler(ws):
        await ws.send("the word is open sesame")
        await ws.wait_closed()

    server = await served(handler)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.recv()
        await recording.settled()
    assert "the word is ***********" in recording.why(3)
    assert "sesame" not in recording.why(3)


async def test_clients_are_listened_to_while_a_recording_is_open(served):
    """Before and after, the library's classes are as they were, and nothing is kept."""

    async def handler(ws):
        async for message in ws:
            await ws.send(message)

    untouched = dict(vars(ClientProtocol))
    server = await served(handler)
    with record(server), record(server):
        assert vars(ClientProtocol) != untouched
        async with connect(server.url) as ws:
            await ws.send("hello")
    assert dict(vars(ClientProtocol)) == untouched
    assert ClientProtocol.send_frame is Protocol.send_frame
    assert origin._sent == {}


async def test_memory_is_bounded(served, monkeypatch):
    """What clients send to servers without a tap is forgotten, the oldest first."""
    monkeypatch.setattr(origin, "MOST", 3)
    assert MOST > 3

    async def handler(ws):
        async for _ in ws:
            pass

    server, silent = await served(handler), await served(handler, name="Silent", tap=False)
    with record(server):
        async with connect(silent.url) as ws:
            for _ in range(10):
                await ws.send("hello")
            assert len(origin._sent) == 3


@pytest.mark.parametrize(
    ("origin", "place"),
    [
        (Origin(3, "", "echo", ""), "line 3 of its cell, in echo()"),
        (Origin(1, "", "<module>", ""), "line 1 of its cell"),
        (Origin(7, "chat.py", "handler", ""), "line 7 of chat.py, in handler()"),
    ],
)
def test_places(origin, place):
    """A place is a line of a cell or of a file, and the function in it."""
    assert origin.place == place


async def test_numbers_that_do_not_exist(served):
    """`why` counts as the diagram does, and says which numbers there are."""

    async def handler(ws):
        await ws.wait_closed()

    server = await served(handler)
    with record(server) as recording:
        async with connect(server.url):
            pass
        await recording.settled()
    for number in (0, 6):
        with pytest.raises(RecordingError, match=f"has arrows 1 to 5, not {number}"):
            recording.why(number)
