"""A room on three server processes, recorded over all its hops: what two test files visit."""

import asyncio
import contextlib

import pytest
from websockets import connect

from wslab.engines import binaries, start_cluster
from wslab.recording import record

BALANCER = "Load balancer"

needs_engines = pytest.mark.skipif(any(map(binaries.missing, binaries.ENGINES)), reason="an engine is not installed")

ROOM = """
import asyncio, logging, os, sqlite3
import nats
from websockets import broadcast
from wslab.sources import watch_log, watch_sql

members = set()
log = logging.getLogger("room")

async def setup():
    global client, database
    database = sqlite3.connect(os.environ["WSLAB_DATABASE"], isolation_level=None, check_same_thread=False)
    database.execute("CREATE TABLE IF NOT EXISTS notes (text)")
    watch_sql(database)
    watch_log(log)
    client = await nats.connect(os.environ["WSLAB_BACKPLANE"], max_reconnect_attempts=-1, reconnect_time_wait=0.05)
    messages = (await client.subscribe("room.1")).messages
    asyncio.create_task(relay(messages))
    await client.flush()

async def relay(messages):
    async for message in messages:
        broadcast(members, message.data.decode())

async def handler(ws):
    members.add(ws)
    try:
        async for message in ws:
            if message == "slow":
                await asyncio.sleep(0.1)
            await asyncio.to_thread(database.execute, "INSERT INTO notes VALUES (?)", (message,))
            log.info("saved %s", message)
            await client.publish("room.1", message.encode())
    finally:
        members.discard(ws)
"""


async def visit(cluster, seed=None):
    """Six clients on three servers: one speaks, all hear; returns the recording."""
    for tap in cluster.taps:
        tap.shake(seed)
    with record(cluster) as recording:
        clients = []
        for number in range(1, 7):
            clients.append(await connect(f"{cluster.url}/?name=c{number}", compression=None))
            await recording.settled()
        for speaker in clients[:2]:
            await speaker.send("hello")
            await asyncio.gather(*(client.recv() for client in clients))
            await recording.settled()
        await asyncio.gather(*(client.close() for client in clients))
        await recording.settled()
    for tap in cluster.taps:
        tap.shake(None)
    return recording


def whole(recording):
    """All of the recording that a lesson may show, and the causes."""
    causes = [row.event.cause and (row.event.cause.connection, row.event.cause.own) for row in recording.rows]
    takes = sorted((name, message, sent) for (name, _, message), sent in recording.trace.takes.items())
    return f"{recording}\n{recording.narrate()}\n{recording.without(BALANCER)}\n{causes}\n{takes}"


@contextlib.asynccontextmanager
async def three_servers(folder, monkeypatch):
    """A running cluster whose processes serve the room, written to `folder` as a module."""
    (folder / "hops_room.py").write_text(ROOM)
    monkeypatch.syspath_prepend(str(folder))
    cluster = await start_cluster("hops_room:handler", setup="hops_room:setup", backplane=True, name="hops")
    try:
        yield cluster
    finally:
        await cluster.stop()
