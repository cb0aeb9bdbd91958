"""The server of exercise 6.1, which the check runs in a process of its own: it keeps something in each of its places.

`{"name": NAME, "remember": ITEM}` fills them all; `{"name": NAME, "recall": true, ...}`, with what the client knows, is
answered with what can be read in each of them.
"""

import asyncio
import contextvars
import hmac
import json
import os
import sqlite3
from contextlib import closing, suppress

from websockets import ConnectionClosed

from wslab.sources import watch_sql

KEY = os.environ["PLACES_KEY"].encode()  # given from outside: a new process gets the same one

counter = 0
clients = {}
visitor = contextvars.ContextVar("visitor", default=None)


async def handler(ws):
    with suppress(ConnectionClosed):  # it will be cut
        await serve(ws)


async def serve(ws):
    global counter
    cart = []
    async for text in ws:
        request = json.loads(text)
        name = request["name"]
        if "remember" in request:
            cart.append(request["remember"])
            counter += 1
            visitor.set(name)
            clients[name] = ws
            await asyncio.to_thread(ask, "INSERT INTO items VALUES (?, ?)", name, request["remember"])
            await ws.send(json.dumps({"token": token_for(name), "sequence": counter}))
        else:
            rows = await asyncio.to_thread(ask, "SELECT item FROM items WHERE name = ?", name)
            found = {
                "cart": cart,
                "counter": counter,
                "subprotocol": ws.subprotocol,
                "token": hmac.compare_digest(token_for(name), request["token"]),
                "row": [item for (item,) in rows],
                "contextvar": visitor.get(),
                "clients": clients[name].state.name if name in clients else None,
                "last_sequence": request["last_sequence"],
            }
            await ws.send(json.dumps(found))


def first(ws, offered):
    """Agree on what the client wants most."""
    return next(iter(offered), None)


def token_for(name):
    return f"{name}-{hmac.new(KEY, name.encode(), 'sha256').hexdigest()}"


def ask(statement, *values):
    with closing(sqlite3.connect(os.environ["WSLAB_DATABASE"], isolation_level=None)) as database:
        return watch_sql(database).execute(statement, values).fetchall()


async def prepare():
    """Make the table, before the first process serves."""
    with closing(sqlite3.connect(os.environ["WSLAB_DATABASE"], isolation_level=None)) as database:
        database.execute("CREATE TABLE IF NOT EXISTS items (name, item)")
