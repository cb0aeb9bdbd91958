"""What a handler does is linked to the message that it had taken."""

import asyncio
import contextvars
import logging
import sqlite3

import pytest
from websockets import broadcast, connect

from wslab.cause import Link, current_cause, links, unlinked
from wslab.recording import record
from wslab.server import serve
from wslab.sources import watch_log, watch_sql
from wslab.trace import ASKING, ENDING, OPENING, Kind


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


def causes(recording, *kinds):
    """Text, message and `own` of the causes in the recording, in canonical order."""
    found = [row.event for row in recording.rows if row.event.kind in (kinds or (Kind.TEXT, Kind.SQL, Kind.LOG))]
    return [(event.text, event.cause.message, event.cause.own) for event in found if event.cause is not None]


async def test_answers(served):
    """An answer is linked to its message, each with a count of its own; a greeting to the opening."""

    async def handler(ws):
        await ws.send("welcome")
        async for message in ws:
            await ws.send(f"{message}!")
            await ws.send(f"{message}?")

    server = await served(handler)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.recv()
            for text in "ab":
                await ws.send(text)
                await ws.recv()
                await ws.recv()
        await recording.settled()
    assert causes(recording) == [
        ("welcome", OPENING, True),
        *[("a!", 0, True), ("a?", 0, True), ("b!", 1, True), ("b?", 1, True)],
    ]
    turns = [event.cause.turn for event in recording.trace if event.cause and event.kind is Kind.TEXT]
    assert turns == [0, 0, 1, 0, 1]


async def test_tasks_threads_and_time_limits(served):
    """Tasks and threads know their message; so does a handler whose `recv` ran under `wait_for`."""
    log = logging.Logger("test")
    watch_log(log)

    async def handler(ws):
        while True:
            message = await asyncio.wait_for(ws.recv(), 5)
            await asyncio.to_thread(log.info, f"thread {message}")
            await asyncio.create_task(ws.send(f"task {message}"))
            await ws.send(f"own {message}")

    server = await served(handler)
    with record(server) as recording:
        async with connect(server.url) as ws:
            for text in "ab":
                await ws.send(text)
                await ws.recv()
                await ws.recv()
        await recording.settled()
    expected = [
        (f"{how} {m}", i, own)
        for i, m in enumerate("ab")
        for how, own in (("INFO thread", False), ("task", False), ("own", True))
    ]
    assert causes(recording, Kind.TEXT, Kind.LOG)[:6] == expected


async def test_streamed_message(served):
    """A message that a handler reads part by part is taken, too."""

    async def handler(ws):
        parts = [part async for part in ws.recv_streaming()]
        await ws.send("".join(parts))
        await ws.recv()

    server = await served(handler)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send(["Hel", "lo"])
            assert await ws.recv() == "Hello"
            await recording.settled()
    assert causes(recording) == [("Hello", 0, True)]
    assert recording.trace.takes == {("Client", 0, 0): 0}


async def test_end_of_a_connection(served):
    """What a handler does after its connection ended is linked to that end."""
    clients = set()

    async def handler(ws):
        clients.add(ws)
        try:
            async for _ in ws:
                pass
        finally:
            clients.discard(ws)
            broadcast(clients, "one left")

    server = await served(handler)
    with record(server) as recording:
        ada, bob = [await connect(f"{server.url}/?name={name}") for name in ("ada", "bob")]
        await recording.settled()
        bob.transport.abort()
        assert await ada.recv() == "one left"
        await ada.close()
        await recording.settled()
    (push,) = [event for event in recording.trace if event.kind is Kind.TEXT]
    assert (push.connection, push.cause.connection, push.cause.message) == ("ada", "bob", ENDING)


async def test_statements_of_process_request(served):
    """What is done before the handshake is answered is linked to the request."""
    database = watch_sql(sqlite3.connect(":memory:"))

    def look(connection, request):
        database.execute("SELECT 1")

    async def handler(ws):
        database.execute("SELECT 2")

    server = await served(handler, process_request=look)
    with record(server) as recording:
        async with connect(server.url):
            pass
        await recording.settled()
    assert causes(recording, Kind.SQL) == [("SELECT 1", ASKING, True), ("SELECT 2", OPENING, True)]
    kinds = [row.event.kind for row in recording.rows][:4]
    assert kinds == [Kind.REQUEST, Kind.SQL, Kind.RESPONSE, Kind.SQL]


async def test_automatic_replies_have_no_cause(served):
    """A pong and the answer to a close frame are the library's doing, not the handler's."""

    async def handler(ws):
        async for message in ws:
            await ws.send(message)
            await asyncio.get_running_loop().create_future()

    server = await served(handler, max_queue=1)
    with record(server) as recording:
        async with connect(server.url) as ws:
            for _ in range(20):  # more than the queue takes, so that reading stops and is resumed by the handler
                await ws.send("x")
            await ws.recv()
            ws.transport.abort()
    assert all(event.cause is None for event in recording.trace if event.kind in (Kind.PONG, Kind.CLOSE))


async def test_names_that_are_used_again(served):
    """A client that comes back has its own causes and takes."""

    async def handler(ws):
        async for message in ws:
            await ws.send(message.upper())

    server = await served(handler)
    with record(server) as recording:
        for text in ("one", "two"):
            async with connect(f"{server.url}/?name=ada") as ws:
                await ws.send(text)
                await ws.recv()
        await recording.settled()
    answers = [event for event in recording.trace if event.kind is Kind.TEXT and not event.up]
    assert [(event.connection, event.cause.message, event.cause.life - answers[0].life) for event in answers] == [
        ("ada", 0, 0),
        ("ada", 0, 1),
    ]


async def test_without_a_tap(served):
    """Where no tap asks for them, causes are not kept."""

    async def handler(ws):
        await ws.send("x")
        await ws.recv()

    server = await served(handler, tap=False)
    async with connect(server.url) as ws:
        await ws.recv()
        (connection,) = server.connections
        assert connection.link.sent == 1 and connection.link.causes == {}


def test_outside_a_handler():
    """Code that no handler started has no cause."""
    assert current_cause() is None


def test_unlinked():
    """Within `unlinked` there is no cause, and afterwards there is again."""

    def look():
        Link("ada").begin(3)
        before, within = current_cause(), []
        unlinked(lambda data: within.append((data, current_cause())), b"news")
        with pytest.raises(ZeroDivisionError):
            unlinked(lambda data: 1 / 0, b"")
        return before.message, within, current_cause().message

    assert contextvars.copy_context().run(look) == (3, [(b"news", None)], 3)


async def test_links_are_forgotten(served):
    """No link outlives its connection."""

    async def handler(ws):
        await ws.recv()

    server = await served(handler)
    before = dict(links)
    async with connect(server.url) as ws:
        assert len(links) == len(before) + 1
        await ws.send("x")
    await server.tap.drained()
    assert links == before
