"""Servers that the questions run in processes of their own, and what they keep where."""

import asyncio
import contextvars
import hmac
import json
import os
import sqlite3
from contextlib import closing, suppress

import nats
from websockets import ConnectionClosed, broadcast

members = set()
backplane = None


async def echo(ws):
    """Answer every message."""
    async for text in ws:
        await ws.send(text)


async def join():
    """Subscribe to the room of all servers."""
    global backplane
    backplane = await nats.connect(os.environ["WSLAB_BACKPLANE"])
    await backplane.subscribe("room", cb=deliver)
    await backplane.flush()


async def deliver(message):
    broadcast(members, message.data.decode())


async def room(ws):
    """Tell everybody: `here ...` those of this server, `all ...` those of every server."""
    members.add(ws)
    try:
        async for text in ws:
            if text.startswith("all"):
                await backplane.publish("room", text.encode())
            else:
                broadcast(members, text)
    finally:
        members.discard(ws)


# Question 19: one item in each place ----------------------------------------------------------------------------

KEY = os.environ.get("PLACES_KEY", "").encode()  # given from outside: a new process gets the same one

kept = {}
clients = {}
visitor = contextvars.ContextVar("visitor", default=None)
in_memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


async def prepare():
    """Make the tables, before the process serves."""
    in_memory.execute("CREATE TABLE IF NOT EXISTS items (name, item)")
    await asyncio.to_thread(ask, "CREATE TABLE IF NOT EXISTS items (name, item)")


async def places(ws):
    """Keep what `remember` says in every place; `recall` is answered with what can be read in each of them."""
    with suppress(ConnectionClosed):  # it will be cut
        await keep(ws)


async def keep(ws):
    cart = []
    async for text in ws:
        request = json.loads(text)
        name, item = request["name"], request.get("remember")
        if item:
            cart.append(item)
            ws.item = item
            kept[name] = item
            visitor.set(item)
            clients[name] = ws
            in_memory.execute("INSERT INTO items VALUES (?, ?)", (name, item))
            await asyncio.to_thread(ask, "INSERT INTO items VALUES (?, ?)", name, item)
            await ws.send(json.dumps({"token": signed(item), "sequence": item}))
            continue
        rows = await asyncio.to_thread(ask, "SELECT item FROM items WHERE name = ?", name)
        item = request["token"].partition("-")[0]
        found = {
            "local": cart[-1] if cart else None,
            "attribute": getattr(ws, "item", None),
            "contextvar": visitor.get(),
            "clients": clients[name].item if name in clients and clients[name].state.name == "OPEN" else None,
            "module": kept.get(name),
            "memory_table": last(in_memory.execute("SELECT item FROM items WHERE name = ?", (name,)).fetchall()),
            "file_table": last(rows),
            "token": item if hmac.compare_digest(signed(item), request["token"]) else None,
            "sequence": request["sequence"],
        }
        await ws.send(json.dumps(found))


def last(rows):
    return rows[-1][0] if rows else None


def signed(item):
    return f"{item}-{hmac.new(KEY, item.encode(), 'sha256').hexdigest()}"


def ask(statement, *values):
    with closing(sqlite3.connect(os.environ["WSLAB_DATABASE"], isolation_level=None)) as database:
        return database.execute(statement, values).fetchall()
