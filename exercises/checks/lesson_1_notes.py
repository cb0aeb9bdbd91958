"""What the check of 1.2, a handler with a memory, looks at, in the order in which a learner reads it.

The database stays with the check, which sees what is saved and loaded, and when.
"""

import asyncio
import contextlib
import random
import secrets

from websockets import ConnectionClosed

from wslab.judge import NoAnswer, Wrong, behaviour
from wslab.trace import DATA

SAVE_S, LOAD_S = 0.02, 0.005  # saving takes long enough to tell an "OK" that was sent too early
LATE_S = 0.2


class Database:
    """The database that the check hands in; `rows` is what it holds."""

    def __init__(self, rows=()):
        self._rows = dict(rows)

    async def save(self, key, value):
        await asyncio.sleep(SAVE_S)
        self._rows[key] = value

    async def load(self, key):
        await asyncio.sleep(LOAD_S)
        return self._rows.get(key)

    def _holds(self, key, value):
        return self._rows.get(key) == value


@behaviour("1.2", "five commands on one connection")
async def five_commands(answer):
    db = Database()
    async with answer.served(db) as server:
        client = await server.connect()
        first, second = _keys()
        value, other = _value(), _value()
        await _ok(server, client, f"SET {first} {value}")
        await _saved(answer, db, first, value)
        await _got(server, client, first, value, "second command")
        await _ok(server, client, f"SET {second} {other}")
        await _got(server, client, second, other, "fourth command")
        await _got(server, client, first, value, "fifth command")


@behaviour("1.2", "the handler ends, without an error, when its client has left")
async def ends(answer):
    for leave, did in (_close, "closed the connection"), (_abort, "ended the connection without a close frame"):
        async with answer.served(Database()) as server:
            client = await server.connect()
            await _ok(server, client, f"SET {_keys()[0]} {_value()}")
            await leave(client)
            facts = {"did": did, "where": lambda event: event.up and event.kind in ("close", "end")}
            if not await server.ended(within=0.5):
                raise Wrong(
                    "1.2 after close: your handler still runs 0.5 s after the client left. Catch ConnectionClosed "
                    'only, or use "async for".',
                    expected="the handler returns",
                    saw="it still runs",
                    **facts,
                )
            if leave is _close and await server.raised():
                raise Wrong(
                    f"1.2 after close: your handler raised {await server.raised()} when the client left normally. Use "
                    '"async for", or catch ConnectionClosed.',
                    expected="a quiet end",
                    saw=await server.raised(),
                    **facts,
                )


@behaviour("1.2", "a value may contain spaces")
async def spaces(answer):
    async with answer.served(Database()) as server:
        client = await server.connect()
        key = _keys()[0]
        for value in (f"{_value()} {_value()}", f"{_value()} {_value()}  {_value()}"):
            command = f"SET {key} {value}"
            did = f"sent {command!r}, then 'GET {key}'"
            await server.send(client, command)
            await server.send(client, f"GET {key}")
            try:
                replies = [await server.receive(client, did, expected=repr(value)) for _ in range(2)]
            except NoAnswer as exc:
                saw, where = await _ending(server, client), exc.where
            else:
                if replies == ["OK", value]:
                    continue
                saw = f'"{replies[1]}"' if replies[0] == "OK" else f'"{replies[0]}" instead of "OK"'
                where = _reply(replies[1])
            raise NoAnswer(
                f'1.2 value with spaces: sent "{command}", expected "{value}" back, saw {saw}.',
                did=did,
                expected=f"'OK', then {value!r}",
                saw=saw,
                where=where,
            )


@behaviour("1.2", "two clients share what is saved; a missing key is NONE")
async def two_clients(answer):
    key, missing = _keys()
    value, old = _value(), _value()
    db = Database()
    async with answer.served(db) as server:
        ada, bob = await server.connect("ada"), await server.connect("bob")
        await _ok(server, ada, f"SET {key} {value}")
        await _command(server, bob, f"GET {missing}", "NONE", "missing key")
        did = f"ada sent 'SET {key} {value}', bob sent 'GET {key}'"
        await server.send(bob, f"GET {key}")
        reply = await server.receive(bob, did, expected=repr(value))
        if reply != value:
            raise Wrong(
                "1.2 two clients: client B cannot see what A saved. Data that must outlive a connection belongs in db.",
                did=did,
                expected=repr(value),
                saw=repr(reply),
                where=_reply(reply, "bob"),
            )
    db = Database({key: old})
    async with answer.served(db) as server:
        client = await server.connect()
        did = f"sent 'GET {key}' to a server that has just been started, with {old!r} in its database"
        await server.send(client, f"GET {key}")
        reply = await server.receive(client, did, expected=repr(old))
        if reply != old:
            raise Wrong(
                f'1.2 database: db holds "{old}" for {key}, and your handler answered "{reply}". Ask db each time, '
                "instead of a variable of your own, which ends with the program.",
                did=did,
                expected=repr(old),
                saw=repr(reply),
                where=_reply(reply),
            )


@behaviour("1.2", "an unknown command is answered with ERR, and the connection goes on")
async def unknown(answer):
    async with answer.served(Database()) as server:
        client = await server.connect()
        key = _keys()[0]
        for command in (f"{random.choice(['DEL', 'PUT', 'SETS'])} {key} {_value()}", f"HELLO-{secrets.token_hex(2)}"):
            await _err(server, client, command, "unknown command")
        await _ok(server, client, f"SET {key} {_value()}")


@behaviour("1.2", "so is a command that is not complete, or not a text")
async def incomplete(answer):
    async with answer.served(Database()) as server:
        client = await server.connect()
        key, other = _keys()
        for command in (f"SET {key}", "GET", f"GET {key} {other}", f"set {key} {_value()}", f"get {key}", "", "SET"):
            await _err(server, client, command, "incomplete command")
        await _err(server, client, f"GET {key}".encode(), "bytes")


# What several use ----------------------------------------------------------------------------------------------


def _keys():
    """Two different keys."""
    return [f"{word}{secrets.token_hex(1)}" for word in random.sample(["milk", "tea", "bread", "jam"], 2)]


def _value():
    return random.choice(["two", "café", "7", "some"]) + secrets.token_hex(1)


async def _close(client):
    await client.close()


async def _abort(client):
    client.transport.abort()


async def _command(server, client, command, expected, name):
    """Send `command`; anything but `expected` is wrong, and `name` says what was asked of the handler."""
    await server.send(client, command)
    reply = await server.receive(client, f"sent {command!r}", expected=repr(expected))
    if reply != expected:
        raise Wrong(
            f'1.2 {name}: sent "{command}", expected "{expected}", saw "{reply}".',
            did=f"sent {command!r}",
            expected=repr(expected),
            saw=repr(reply),
            where=_reply(reply),
        )


async def _ok(server, client, command):
    await _command(server, client, command, "OK", "SET")


async def _saved(answer, db, key, value):
    """Is the value in the database when the handler says so?"""
    if db._holds(key, value):
        return
    facts = {
        "did": f"sent 'SET {key} {value}', got 'OK'",
        "expected": f"{value!r} in the database",
        "saw": "an empty database",
        "where": lambda event: event.up and event.kind in DATA,
    }
    if (await answer.mistakes())["forgotten"]:
        raise Wrong(
            f"1.2 save: after SET {key} {value} the database is empty and Python warned that a coroutine was never "
            "awaited.",
            **facts,
        )
    await asyncio.sleep(LATE_S)
    if db._holds(key, value):
        raise Wrong(
            '1.2 save: the database was still empty when "OK" arrived: wait with await until db.save has returned, '
            "then answer.",
            **facts,
        )


async def _got(server, client, key, value, name):
    """Ask for `key` on a connection that has been answered before."""
    command = f"GET {key}"
    try:
        await _command(server, client, command, value, name)
    except NoAnswer as exc:
        if client.close_code != 1000:
            raise
        raise NoAnswer(
            f'1.2 {name}: sent "{command}", expected "{value}", saw the connection closed with 1000. A handler serves '
            "one connection, not one message.",
            did=exc.did,
            expected=exc.expected,
            saw=exc.saw,
            where=exc.where,
        ) from None


async def _err(server, client, command, name):
    await server.send(client, command)
    did = f"sent {command!r}"
    try:
        reply = await server.receive(client, did, expected="'ERR'")
    except NoAnswer as exc:
        saw, where = await _ending(server, client), exc.where
    else:
        if reply == "ERR":
            return
        saw, where = f'"{reply}"', _reply(reply)
    raise NoAnswer(
        f'1.2 {name}: expected "ERR" and an open connection, saw {saw}.'
        if name == "unknown command"
        else f'1.2 {name}: sent {command!r}, expected "ERR", saw {saw}.',
        did=did,
        expected="'ERR', and an open connection",
        saw=saw,
        where=where,
    )


async def _ending(server, client):
    """What came instead of an answer."""
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        await asyncio.wait_for(client.wait_closed(), 0.1)
    if client.close_code is None:
        return "no answer"
    raised = await server.raised()
    return f"close code {client.close_code}" + (f" (your handler raised {raised})" if raised else "")


def _reply(reply, connection="Client"):
    return lambda event: not event.up and event.kind in DATA and event.connection == connection and event.text == reply
