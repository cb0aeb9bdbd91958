"""Lesson 4's reference solutions on the real engines: what a check of their own making forces must hold there, too."""

from __future__ import annotations

import asyncio
import random

import pytest
import websockets
from kit import define, references, setup
from rooms import needs_engines

from wslab.engines import start_cluster

SERVING = """
import os
import nats

server = ChatServer()
handler = server.handler

async def begin():
    connection = await nats.connect(os.environ["WSLAB_BACKPLANE"])
    await server.start(connection)
    await connection.flush()
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Start a cluster whose processes find a module of this source."""

    def start(source, **options):
        (tmp_path / "reference.py").write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        return start_cluster("reference:handler", name="Reference", **options)

    return start


@needs_engines
async def test_silent_two_thirds_on_nats(cluster):
    """The chat server of 4.2 in three processes, behind Caddy and on NATS: all nine clients, exactly once, in order."""
    source = setup("4.2").replace("from wslab import check, hint", "") + "\n" + references()["4.2"] + SERVING
    running = await cluster(source, backplane=True, setup="reference:begin")
    try:
        clients = [await websockets.connect(running.url) for _ in range(9)]
        said = [f"{number} {random.random()}" for number in range(20)]
        for text in said:
            await clients[4].send(text)
        for client in clients:
            assert [await asyncio.wait_for(client.recv(), 5) for _ in said] == said
        await clients[0].send("the end")  # had anything come twice, it would come before this
        for client in clients:
            assert await asyncio.wait_for(client.recv(), 5) == "the end"
            await client.close()
    finally:
        await running.stop()


WHO = """
import os

async def handler(ws):
    async for _ in ws:
        await ws.send(os.environ["WSLAB_SERVER"])
"""


@needs_engines
async def test_where_it_lands_on_caddy(cluster):
    """What the reference of 4.1 foresees for round robin is what Caddy does."""
    [where] = define("4.1", references()["4.1"])
    names = [f"c{number}" for number in range(7)]
    events = [("open", name) for name in names]
    events += [("msg", name) for name in random.choices(names, k=12)]
    running = await cluster(WHO)
    try:
        clients = {name: await websockets.connect(running.url) for name in names}
        for (kind, name), expected in zip(events, where(events, "round_robin", 3), strict=True):
            if kind == "msg":
                await clients[name].send("who are you?")
                assert await asyncio.wait_for(clients[name].recv(), 5) == f"Server {expected + 1}"
        for client in clients.values():
            await client.close()
    finally:
        await running.stop()
