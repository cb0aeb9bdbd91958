"""What the check of 6.2, ghosts, looks at, in the order in which a learner reads it.

The users are clients of the check's own, which leave in every way there is; a watcher hears what the others are told.
"""

import asyncio
import contextlib
import functools
import json
import secrets
import time

from websockets import ConnectionClosed

from wslab.judge import Driver, NoAnswer, Wrong, behaviour
from wslab.trace import DATA, Kind

WAIT_S, LOOK_S = 2.0, 0.01
QUIET_S = 0.1  # so long nothing is said, where nobody came or left
MAX_SIZE = 1000  # bytes that a message may have
PING_S = 0.2  # keepalive: the interval, the time-out, and then the closing handshake
BLACK_HOLE_S = 3.0  # a black hole is noticed after three times PING_S; the rest is slack


class Presences(Driver):
    """One object of the learner's for each of `names`, each on a server of its own."""

    async def open(self, *names, **options):
        self.presences = {name: self.answer() for name in names}
        self.sockets = []
        for name, presence in self.presences.items():
            handler = functools.partial(self.handle, presence)
            await self.serve(handler, name=name, max_size=MAX_SIZE, close_timeout=PING_S, **options)

    async def handle(self, presence, ws):
        self.sockets.append(ws)
        await presence.handler(ws)

    def cut(self, lanes):
        """End these connections in the same turn of the loop: when the first handler wakes, all of them are dead."""
        for ws in self.sockets:
            if any(ws.request.path.endswith(f"={lane}") for lane in lanes):
                ws.transport.abort()

    def online(self, name):
        return self.presences[name].online()


class Room:
    """One presence server, and who is connected to it."""

    def __init__(self, driven, name="Your server"):
        self.driven, self.name = driven, name
        self.server = driven.servers[name]

    async def enter(self, user, lane=""):
        """A new connection of `user`, whose name has been taken in."""
        client = await self.server.connect(lane or user)
        await self.server.send(client, user)
        await self.shows(f"{user} has sent the name", "name", {user: True})
        return client

    async def online(self):
        found = await self.driven.do("online", self.name, what="online()")
        if not isinstance(found, set | frozenset):
            raise Wrong(
                f"6.2 online: online() returned {found!r}; expected a set of names.",
                did="online()",
                expected="a set of names",
                saw=repr(found),
            )
        return found

    async def shows(self, did, subject, expected, within=WAIT_S, ended=None):
        """Wait until online() says of each user whether it is online; `ended` says how, for who should not be."""
        deadline = time.monotonic() + within
        while True:
            found = await self.online()
            wrong = [user for user, there in expected.items() if (user in found) != there]
            if not wrong or time.monotonic() > deadline:
                break
            await asyncio.sleep(LOOK_S)
        if not wrong:
            return
        facts = {"did": did, "expected": f"online() {'with' if expected[wrong[0]] else 'without'} {wrong[0]}"}
        facts |= {"saw": f"online() is {found or '{}'}", "where": _end_of(wrong[0])}
        if expected[wrong[0]]:
            raised = await self.server.raised()
            why = f" Your handler raised {raised}." if raised else ""
            raise NoAnswer(f"6.2 {subject}: {did}, and online() does not name {wrong[0]}.{why}", **facts)
        raise Wrong(f"6.2 {subject}: {wrong[0]} is still online after {ended}.", **facts)

    async def hears(self, client, did, kind, users):
        """Wait until `client` has been told once that each of `users` has come or left, and of nothing else."""
        awaited = [{"type": kind, "user": user} for user in users]
        while awaited:
            facts = {"did": did, "expected": json.dumps(awaited[0])}
            try:
                text = await asyncio.wait_for(client.recv(), WAIT_S)
            except TimeoutError:
                await self._untold(kind, awaited[0]["user"], facts)
            except ConnectionClosed:
                raise NoAnswer(
                    f"6.2 {kind}: {did}, and the connection of somebody else ended with {int(client.close_code)}; your "
                    f"handler raised {await self.server.raised() or 'nothing'}.",
                    saw="a closed connection",
                    **facts,
                ) from None
            message = _parsed(text)
            if message not in awaited:
                raise Wrong(
                    f"6.2 {kind}: {did}, and another user was told {text}; expected {facts['expected']}, once.",
                    saw=str(text),
                    where=_says(text),
                    **facts,
                )
            awaited.remove(message)

    async def _untold(self, kind, user, facts):
        raised = await self.server.raised()
        facts |= {"saw": "nothing", "where": _end_of(user) if kind == "leave" else None}
        if raised.startswith("ConnectionClosed"):
            raise NoAnswer(f"6.2 {kind}: others were not told: sending to the closed connection raised.", **facts)
        why = f"; your handler raised {raised}" if raised else ""
        raise NoAnswer(f"6.2 {kind}: {facts['did']}, and another user was told nothing{why}.", **facts)

    async def silent(self, client, did, subject):
        """Nothing must be said to `client`."""
        with contextlib.suppress(TimeoutError):
            text = await asyncio.wait_for(client.recv(), QUIET_S)
            raise Wrong(
                f"6.2 {subject}: {did}, and {text} was sent; expected nothing.",
                did=did,
                expected="nothing",
                saw=str(text),
                where=_says(text),
            )

    async def ends_quietly(self, subject, did, before):
        """The handler of a connection that has ended must end, too: without an exception, back to `before` handlers."""
        deadline = time.monotonic() + WAIT_S
        while len(await self.server.handlers()) > before and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
        if raised := await self.server.raised():
            raise Wrong(
                f"6.2 {subject}: your handler raised {raised.partition(':')[0]}; see the log.",
                did=did,
                expected="that your handler ends without an exception",
                saw=raised,
                where=lambda event: event.kind is Kind.END,
            )


@contextlib.asynccontextmanager
async def _open(answer, *names, **options):
    """The learner's servers, and the rooms on them."""
    await answer.must_be_class()
    async with answer.driven(Presences, *names, **options) as driven:
        yield [Room(driven, name) for name in names]


@behaviour("6.2", "users come and go: who is online is named, and the others are told, once")
async def come_and_go(answer):
    async with _open(answer, "Your server") as [room]:
        watcher = await room.enter(_user("watcher"))
        user = _user("ada")
        client = await room.enter(user)
        before = len(await room.server.handlers())  # one goes, and one comes
        did = f"{user} came"
        await room.hears(watcher, did, "join", [user])
        await room.silent(client, did, "join")
        later = await room.enter(
            _user("watcher")
        )  # whoever is told one after the other: ada's place is between these two
        await client.close()
        did = f"{user} left with 1000"
        await room.hears(later, did, "leave", [user])
        await room.server.receive(watcher, "another user came", "a join")
        await room.hears(watcher, did, "leave", [user])
        await room.shows(did, "close", {user: False}, ended="the connection was closed with 1000")
        await room.silent(watcher, did, "leave")
        await room.ends_quietly("close", did, before)


@behaviour("6.2", "two servers have users of their own")
async def two_servers(answer):
    async with _open(answer, "A", "B") as [a, b]:
        watcher = await b.enter(_user("watcher"))
        user = _user("ada")
        await a.enter(user)
        did = f"two objects of your class, and {user} came to A"
        if user in await b.online():
            raise Wrong(
                "6.2 two servers: instance B shows users of instance A.",
                did=did,
                expected=f"B.online() without {user}",
                saw=f"B.online() is {await b.online()}",
                where=lambda event: event.up and event.kind in DATA and event.text == user,
            )
        await b.silent(watcher, did, "two servers")


@behaviour("6.2", "however a connection ends, nobody stays behind, and your handler does not complain")
async def all_ends(answer):
    async with _open(answer, "Your server") as [room]:
        watcher = await room.enter(_user("watcher"))
        for subject, (end, ended) in ENDS.items():
            before = len(await room.server.handlers())
            user = _user(subject.split()[0])
            client = await room.enter(user)
            await room.hears(watcher, f"{user} came", "join", [user])
            await end(room.server, client, user)
            did = f"{user} came; {ended}"
            await room.shows(did, subject, {user: False}, ended=ended)
            await room.hears(watcher, did, "leave", [user])
            await room.ends_quietly(subject, did, before)


@behaviour("6.2", "several leave at the same moment, and all the others are told")
async def at_once(answer):
    async with _open(answer, "Your server") as [room]:
        users = [_user(name) for name in ("ada", "bob", "cem")]
        for user in users:
            await room.enter(user)
        before = len(await room.server.handlers()) - len(users)
        watcher = await room.enter(_user("watcher"))  # behind them, if they are told one after the other
        await room.driven.do("cut", users)
        did = f"{', '.join(users)} were cut off at the same moment"
        await room.hears(watcher, did, "leave", users)
        await room.shows(did, "abort", dict.fromkeys(users, False), ended="the connection was cut")
        await room.ends_quietly("abort", did, before + 1)


async def _cut(server, client, user):
    server.tap.cut(user)


async def _crash(server, client, user):
    await client.close(1011)


async def _too_big(server, client, user):
    await server.send(client, "x" * (MAX_SIZE + 1))


ENDS = {
    "abort": (_cut, "the connection was cut"),
    "crash": (_crash, "its client had ended with 1011"),
    "too big": (_too_big, "the connection had ended with 1009, for a message that was too big"),
}


@behaviour("6.2", "a user with two tabs is online until the last of them is closed")
async def two_tabs(answer):
    async with _open(answer, "Your server") as [room]:
        watcher = await room.enter(_user("watcher"))
        for first in (0, 1):  # of the two tabs, which is closed first: the older, or the newer
            user = _user("ada")
            tabs = [await room.enter(user), await room.enter(user, f"{user}-2")]
            did = f"{user} opened two tabs"
            await room.hears(watcher, did, "join", [user])
            await room.silent(watcher, did, "two tabs")
            await tabs[first].close()
            did += f", and closed the {('first', 'second')[first]}"
            await asyncio.sleep(QUIET_S)
            if user not in await room.online():
                raise Wrong(
                    f"6.2 two tabs: closing one tab made {user} offline.",
                    did=did,
                    expected=f"online() with {user}",
                    saw=f"online() is {await room.online() or '{}'}",
                    where=_end_of(user if first == 0 else f"{user}-2"),
                )
            await room.silent(watcher, did, "two tabs")
            await tabs[1 - first].close()
            did = f"{user} closed the last tab"
            await room.hears(watcher, did, "leave", [user])
            await room.shows(did, "two tabs", {user: False}, ended="the last tab was closed")


@behaviour("6.2", "who vanishes without a word is noticed")
async def black_hole(answer):
    async with _open(answer, "Your server", ping_interval=PING_S, ping_timeout=PING_S) as [room]:
        watcher = await room.enter(_user("watcher"))
        before = len(await room.server.handlers())
        user = _user("cem")
        await room.enter(user)
        await room.hears(watcher, f"{user} came", "join", [user])
        room.server.tap.blackhole(user)
        did = (
            f"the line to {user} went dead; your server sends a ping every {PING_S:g} s, and waits as long for the pong"
        )
        with contextlib.suppress(Wrong):
            await room.shows(did, "black hole", {user: False}, BLACK_HOLE_S, "…")
        if user in await room.online():
            raise Wrong(
                f"6.2 black hole: still online after {BLACK_HOLE_S:g} s; nothing but a ping can notice a silent path.",
                did=did,
                expected=f"online() without {user}",
                saw=f"online() with {user}",
                where=lambda event: event.lost,
            )
        await room.hears(watcher, did, "leave", [user])
        await room.ends_quietly("black hole", did, before)


def _user(name):
    return f"{name}-{secrets.token_hex(2)}"


def _parsed(text):
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        return json.loads(text)
    return None


def _says(text):
    return lambda event: not event.up and event.kind in DATA and event.text == text


def _end_of(lane):
    return lambda event: event.connection == lane and event.kind in (Kind.CLOSE, Kind.END)
