"""What the check of 6.3, save, retrieve, update, looks at, in the order in which a learner reads it.

The store is the check's own, and so is the clock; the learner's servers share them as processes would.
"""

import asyncio
import contextlib
import copy
import functools
import json
import math
import random
import secrets
import time

from websockets import ConnectionClosed

from wslab.judge import Driver, NoAnswer, Wrong, behaviour
from wslab.trace import DATA, Kind

SERVERS = ("Server 1", "Server 2", "Server 3")
TTL_S = 600
ADDITIONS, MOST_CALLS, WITHIN_S = 50, 1000, 10.0
STORE_S = 0.005  # for one call, while many are made
GATHER_S = 0.5  # so long the store waits for one more to read; then all of them write
LOCKED = 2 * len(SERVERS)  # who locks within a server, lets no more than a few read at once
STRANGERS = range(20, 41, 5)  # after these reads of the many another server writes, which no lock can hold
TOKENS, BITS, FEW_BITS = 1000, 110, 48


class Store:
    """Keys with a value and a version each; a value is written on top of the version that was read, or not at all."""

    def __init__(self):
        self._rows = {}
        self._delay_s = 0.0
        self._all_read = self._last = None
        self.reads = self.calls = 0

    async def get(self, key):
        self.calls += 1
        self.reads += 1
        read = self.reads
        await asyncio.sleep(self._delay_s)
        if self._all_read is not None:
            await self._all_read.wait()
        self._last = key
        value, version = self._rows.get(key, (None, 0))
        if self._delay_s and read in STRANGERS:
            self._touch()
        return copy.deepcopy(value), version

    async def put(self, key, value, expected_version):
        self.calls += 1
        await asyncio.sleep(self._delay_s)
        if self._rows.get(key, (None, 0))[1] != expected_version:
            return False
        self._rows[key] = copy.deepcopy(value), expected_version + 1
        return True

    def _touch(self):
        """Another server writes what was read last once more."""
        value, version = self._rows[self._last]
        self._rows[self._last] = value, version + 1

    def _rush(self):
        """From now on calls take time, and the first reads wait for each other."""
        self._delay_s, self.reads, self.calls = STORE_S, 0, 0
        self._all_read = asyncio.Event()

    async def _gathered(self):
        """Wait until all have read, or no more come; then let them go, and return how many they were."""
        seen = -1
        while seen < self.reads < ADDITIONS:
            seen = self.reads
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    while seen == self.reads:
                        await asyncio.sleep(STORE_S)
        self._all_read.set()
        return self.reads


class Clock:
    """The seconds on the clock of the check."""

    def __init__(self):
        self.seconds = random.uniform(1e6, 2e6)

    def now(self):
        return self.seconds


class Servers(Driver):
    """Three servers of the learner's, each with a `Sessions` of its own over one store."""

    async def open(self, store, now):
        self.sessions = {name: self.made(store, now) for name in SERVERS}
        for name, sessions in self.sessions.items():
            await self.serve(functools.partial(self.answers["cart_handler"], sessions=sessions), name=name)

    def made(self, store, now=time.monotonic):
        return self.answers["Sessions"](store, TTL_S, now)

    def session(self, name):
        return self.sessions[name].open("ada")

    def load(self, name, token):
        return self.sessions[name].load(token)

    async def add(self, name, token, item, between):
        """`update` with an addition, in the middle of which `between()` is called once."""
        calls = 0

        def fn(session):
            nonlocal calls
            calls += 1
            if calls == 1:
                between()
            session["cart"].append(item)
            return session

        return await self.sessions[name].update(token, fn)

    async def tokens(self, number):
        """So many tokens, of three servers in turn; over a store beside them, where nothing has to cross."""
        store = Store()
        servers = [self.made(store) for _ in SERVERS]
        return [await servers[turn % len(servers)].open("ada") for turn in range(number)]

    async def same_luck(self):
        """The first tokens of two servers that have just been started, with the same state of `random`."""
        state = random.getstate()
        try:
            found = []
            for _ in range(2):
                random.seed(4711)
                found.append(await self.made(Store()).open("ada"))
            return found
        finally:
            random.setstate(state)


class Shop:
    """The three servers, seen through their clients."""

    def __init__(self, driven, store, clock):
        self.driven, self.store, self.clock = driven, store, clock

    async def client(self, name, lane):
        return await self.driven.servers[name].connect(lane)

    async def ask(self, name, client, expected, **message):
        """Send a message to the server `name`; the answer has to be of the type `expected`."""
        server, text = self.driven.servers[name], json.dumps(message)
        await server.send(client, text)
        answer = await server.receive(client, f"sent {text} to {name}", f'a message of the type "{expected}"')
        return self.read(name, answer, expected, text)

    def read(self, name, answer, expected, text):
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            found = json.loads(answer)
            if isinstance(found, dict) and found.get("type") == expected:
                return found
        raise Wrong(
            f"6.3 {json.loads(text)['type']}: {name} answered {text} with {answer}; expected a message of the type "
            f'"{expected}".',
            did=f"sent {text} to {name}",
            expected=f'{{"type": "{expected}", …}}',
            saw=str(answer),
            where=lambda event: not event.up and event.kind in DATA and event.text == answer,
        )

    async def opened(self, name, client, user="ada"):
        """A new session; returns its token."""
        found = await self.ask(name, client, "session", type="open", user=user)
        if not isinstance(found.get("token"), str):
            raise Wrong(
                f"6.3 open: {name} sent {json.dumps(found)}; expected a token, which is a text.",
                did=f'sent {{"type": "open"}} to {name}',
                expected='{"type": "session", "token": "…"}',
                saw=json.dumps(found),
            )
        return found["token"]

    def judge(self, name, found, **expected):
        """Is everything in the message that has to be?"""
        for key, value in expected.items():
            if found.get(key) != value:
                raise Wrong(
                    f"6.3 {found['type']}: {name} sent {json.dumps(found)}; expected {json.dumps({key: value})} in it.",
                    did=f"a client at {name}",
                    expected=json.dumps({key: value}),
                    saw=json.dumps(found),
                    where=_downward(found["type"]),
                )


@contextlib.asynccontextmanager
async def _shop(answer):
    store, clock = Store(), Clock()
    async with answer.driven(Servers, store, clock.now) as driven:
        yield Shop(driven, store, clock)


# One user, several servers -------------------------------------------------------------------------------------


@behaviour("6.3", "open, add, add, resume: one server, two connections")
async def one_server(answer):
    name = SERVERS[0]
    async with _shop(answer) as shop:
        ada = await shop.client(name, "ada")
        user, items = f"ada-{secrets.token_hex(2)}", ["tea", f"jam {secrets.token_hex(2)}", "tea"]
        token = await shop.opened(name, ada, user)
        for number, item in enumerate(items, 1):
            found = await shop.ask(name, ada, "cart", type="add", item=item)
            shop.judge(name, found, cart=items[:number])
        await ada.close()
        again = await shop.client(name, "ada")
        found = await shop.ask(name, again, "resumed", type="resume", token=token)
        shop.judge(name, found, user=user, cart=items)
        found = await shop.ask(name, again, "cart", type="add", item="bread")
        shop.judge(name, found, cart=[*items, "bread"])
        await again.close()
        await _judge_raised(shop, name)


async def _judge_raised(shop, name):
    server = shop.driven.servers[name]
    await server.ended(within=0.5)
    if raised := await server.raised():
        raise Wrong(
            f"6.3 after close: your handler raised {raised} when a client left.",
            did="closed the connection with 1000",
            expected="a quiet end",
            saw=raised,
        )


@behaviour("6.3", "a session goes on at every server, also when its own is gone")
async def any_server(answer):
    async with _shop(answer) as shop:
        first = await shop.client(SERVERS[0], "ada")
        token = await shop.opened(SERVERS[0], first)
        cart = []
        for item, name in zip(("tea", "jam", "bread"), (*SERVERS[1:], SERVERS[1]), strict=True):
            await shop.ask(SERVERS[0], first, "cart", type="add", item=item)
            cart.append(item)
            await _resume(shop, name, token, cart)
        second = await shop.client(SERVERS[1], "ada-2")
        await shop.ask(SERVERS[1], second, "resumed", type="resume", token=token)
        shop.driven.servers[SERVERS[0]].tap.cut("ada")
        found = await shop.ask(SERVERS[1], second, "cart", type="add", item="milk")
        shop.judge(SERVERS[1], found, cart=[*cart, "milk"])
        await _resume(shop, SERVERS[2], token, [*cart, "milk"])


async def _resume(shop, name, token, cart):
    client = await shop.client(name, f"ada-at-{name[-1]}")
    await shop.driven.servers[name].send(client, json.dumps({"type": "resume", "token": token}))
    text = await shop.driven.servers[name].receive(client, f"resumed on {name}", "the cart")
    facts = {"did": f"added {', '.join(cart)} elsewhere, then resumed on {name}", "expected": json.dumps(cart)}
    facts |= {"saw": str(text), "where": lambda event: event.text == text and event.source == name}
    found = {}
    with contextlib.suppress(ValueError, TypeError):
        found = json.loads(text)
    if found.get("code") == "no_session":
        raise Wrong(
            f"6.3 resume on {name.lower()}: no session. What another server is to know must be in the store.", **facts
        )
    found = shop.read(name, text, "resumed", json.dumps({"type": "resume", "token": "…"}))
    if found.get("cart") != cart:
        versions = [cart[:number] for number in range(len(cart))]
        if found.get("cart") in versions:
            version = versions.index(found["cart"]) + 1
            raise Wrong(f"6.3 resume on {name.lower()}: stale cart version {version}.", **facts)
        shop.judge(name, found, cart=cart)
    await client.close()


@behaviour("6.3", "no session: an error message, and the connection stays open")
async def no_session(answer):
    name = SERVERS[0]
    async with _shop(answer) as shop:
        ada = await shop.client(name, "ada")
        await _refused(shop, name, ada, "unknown token", type="resume", token=secrets.token_urlsafe())
        await _refused(shop, name, ada, "no session", type="add", item="tea")
        token = await shop.opened(name, ada)
        found = await shop.ask(name, ada, "cart", type="add", item="tea")
        shop.judge(name, found, cart=["tea"])
        shop.clock.seconds += TTL_S * 0.9
        bob = await shop.client(name, "bob")
        await shop.ask(name, bob, "resumed", type="resume", token=token)
        shop.clock.seconds += TTL_S * 1.1
        cem = await shop.client(name, "cem")
        await _refused(shop, name, cem, "expired token", type="resume", token=token)
        await _refused(shop, name, bob, "expired token", type="add", item="tea")
        if await shop.driven.do("load", name, token) is not None:
            raise Wrong(
                "6.3 expired token: load(token) returned a session; expected None.",
                did=f"load(token), {TTL_S} s and more after open",
                expected="None",
                saw="a session",
            )


async def _refused(shop, name, client, subject, **message):
    text = json.dumps(message)
    await shop.driven.servers[name].send(client, text)
    facts = {"did": f"sent {text}", "expected": '{"type": "error", "code": "no_session"}'}
    try:
        answer = await asyncio.wait_for(client.recv(), 2.0)
    except ConnectionClosed:
        raised = await shop.driven.servers[name].raised()
        code = int(client.close_code)
        why = f" Your handler raised {raised}." if raised else ""
        raise Wrong(
            f"6.3 {subject}: expected an error message and an open connection, saw close {code}.{why}",
            saw=f"close {code}",
            where=lambda event: event.kind is Kind.CLOSE and not event.up,
            **facts,
        ) from None
    except TimeoutError:
        raise NoAnswer(f"6.3 {subject}: sent {text}, and no answer came.", saw="nothing", **facts) from None
    found = shop.read(name, answer, "error", text)
    if found.get("code") != "no_session":
        raise Wrong(
            f'6.3 {subject}: the code is {found.get("code")!r}; expected "no_session".',
            saw=str(answer),
            where=_downward("error"),
            **facts,
        )


# Several servers, one session ----------------------------------------------------------------------------------


@behaviour("6.3", "fifty additions at once, at three servers: none is lost, and the store has peace")
async def additions(answer):
    async with _shop(answer) as shop:
        opener = await shop.client(SERVERS[0], "opener")
        token = await shop.opened(SERVERS[0], opener)
        items = [f"item {number}" for number in range(ADDITIONS)]
        clients = {}
        for number, item in enumerate(items):
            name = SERVERS[number % len(SERVERS)]
            client = clients[item] = await shop.client(name, f"c{number}")
            await shop.ask(name, client, "resumed", type="resume", token=token)
        shop.store._rush()
        for item, client in clients.items():
            await client.send(json.dumps({"type": "add", "item": item}))
        together = await shop.store._gathered()
        replies = [asyncio.create_task(client.recv()) for client in clients.values()]
        done, waiting = await asyncio.wait(replies, timeout=WITHIN_S)
        for task in waiting:
            task.cancel()
        answered = sum(task.exception() is None for task in done)
        calls = shop.store.calls
        shop.store._delay_s = 0.0
        found = (await shop.ask(SERVERS[0], opener, "resumed", type="resume", token=token)).get("cart") or []
        _judge_additions(items, found, together, answered)
        if calls >= MOST_CALLS:
            raise Wrong(
                f"6.3 conflict: {calls} store calls for {ADDITIONS} updates.",
                did=f"{ADDITIONS} additions at once",
                expected=f"fewer than {MOST_CALLS} calls of get and put: wait a random while before you try again",
                saw=str(calls),
            )


def _judge_additions(items, found, together, answered):
    number = len(set(items) & set(found))
    facts = {"did": f"{ADDITIONS} additions at once, at {len(SERVERS)} servers", "expected": f"{ADDITIONS} items"}
    facts |= {"saw": f"{number} items, {answered} of {ADDITIONS} answered", "where": _downward("cart")}
    if answered < ADDITIONS:
        raise NoAnswer(
            f"6.3 additions: {answered} of {ADDITIONS} were answered within {WITHIN_S:g} s; the cart has {number} of "
            "their items.",
            **facts,
        )
    if number < ADDITIONS and together <= LOCKED:
        raise Wrong(
            f"6.3 lost update: {number} of {ADDITIONS}: a lock in one process does not hold another server.", **facts
        )
    if number < ADDITIONS:
        raise Wrong(f"6.3 lost update: {ADDITIONS} additions gave {number}.", **facts)
    if len(found) > ADDITIONS:
        twice = next(item for item in found if found.count(item) > 1)
        raise Wrong(f"6.3 once: {twice} was added once, and is in the cart {found.count(twice)} times.", **facts)


@behaviour("6.3", "another server writes in between: update begins again, and its change is made once")
async def once(answer):
    async with _shop(answer) as shop:
        token = await shop.driven.do("session", SERVERS[0])
        for number, name in enumerate(SERVERS):
            item = f"item {number}"
            found = await shop.driven.do("add", name, token, item, shop.store._touch)
            loaded = await shop.driven.do("load", name, token)
            for what, session in (("update returned", found), ("load returned", loaded)):
                cart = session.get("cart") if isinstance(session, dict) else None
                expected = [f"item {earlier}" for earlier in range(number + 1)]
                if cart != expected:
                    raise Wrong(
                        f'6.3 once: {what} {session!r}; expected a dictionary with the "cart" {expected}.',
                        did="update(token, fn), and another server wrote between your get and your put",
                        expected=str(expected),
                        saw=repr(session),
                    )


# Tokens --------------------------------------------------------------------------------------------------------


@behaviour("6.3", f"{TOKENS} tokens that nobody can guess")
async def tokens(answer):
    async with _shop(answer) as shop:
        found = await shop.driven.do("tokens", TOKENS, within=WITHIN_S, what="open")
        facts = {"did": f"{TOKENS} times open", "saw": ", ".join(found[:3]), "expected": "128 bits of chance in each"}
        bits = sum(math.log2(len(set(letters))) for letters in zip(*found, strict=False))
        lucky = await shop.driven.do("same_luck")
        if len(set(found)) < TOKENS:
            raise Wrong(f"6.3 token: only {len(set(found))} of {TOKENS} tokens were different.", **facts)
        if bits < FEW_BITS or len(set(lucky)) == 1:
            raise Wrong("6.3 token: next token was predictable from the last.", **facts)
        if bits < BITS:
            raise Wrong(
                f"6.3 token: {bits:.0f} bits of chance at most, fewer than 128: it can be found by trying. "
                "secrets.token_urlsafe() is long enough.",
                **facts,
            )


def _downward(type):
    return lambda event: not event.up and event.kind in DATA and f'"{type}"' in event.text
