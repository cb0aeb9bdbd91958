"""What the check of 4.2, the silent two thirds, looks at, in the order in which a learner reads it.

Three servers of the learner's hang on a backplane of the check's, which has nats-py's interface and a bad schedule:
publications take differently long, and a work queue never gives a message back to the server that published it.
"""

import asyncio
import contextlib
import functools
import itertools
import random
import secrets
import time

from websockets import ConnectionClosed

from wslab.judge import Driver, NoAnswer, Raised, Wrong, behaviour
from wslab.trace import DATA

SERVERS, WAIT_S, QUIET_S, LOOK_S = 3, 2.0, 0.15, 0.005
NAMES = "ada bob cleo dan eve fay gus hal ida".split()
MANY, SLOW_S = 50, 0.02
STORM = 30  # after so many publications for one message nothing is delivered any more


@behaviour("4.2", "a message reaches the clients of all servers")
async def reach(answer):
    async with _chatting(answer) as room:
        await room.say(random.choice(NAMES))
        if not room.bus.published:
            raise Wrong(
                "4.2 reach: everybody got the message, but nothing crossed the backplane. Here your three servers "
                "share a variable, because they run in one process; elsewhere they do not. What belongs to one server "
                "is made in __init__.",
                did="three servers, each an object of your class",
                expected="a publication on the backplane",
                saw="none",
            )


@behaviour("4.2", "everybody gets it exactly once")
async def once(answer):
    async with _chatting(answer) as room:
        before = len(room.bus.published)
        sender, text = await room.say(random.choice(NAMES))
        published = 0
        while published < len(room.bus.published) - before < STORM:  # until there is quiet, or no end
            published = len(room.bus.published) - before
            await asyncio.sleep(QUIET_S)
        published = len(room.bus.published) - before
        facts = {"did": f"{sender} sent one message", "where": _says(text)}
        if published > SERVERS:
            raise Wrong(
                f"4.2 storm: {published} publications for 1 message.",
                expected="1 publication: what a server hears from the backplane goes to its clients only",
                saw=f"{published}",
                **facts,
            )
        copies = {name: room.inbox[name].count(text) for name in NAMES}
        more = [name for name in NAMES if copies[name] > 1]
        facts |= {"expected": "one copy for each client", "saw": f"copies: {copies}"}
        if more and set(more) == set(_on(_server(sender))) and set(copies.values()) == {1, 2}:
            raise Wrong(
                f"4.2 exactly once: clients on server {_server(sender)} got it twice: your server also hears its own "
                "publication.",
                **facts,
            )
        if more:
            raise Wrong(f"4.2 exactly once: {more[0]} got the message {copies[more[0]]} times.", **facts)


@behaviour("4.2", "the messages of one sender keep their order")
async def order(answer):
    async with _chatting(answer) as room:
        room.bus.limit += MANY
        sender = random.choice(NAMES)
        texts = [f"{secrets.token_hex(2)} number {number}" for number in range(1, MANY + 1)]
        for text in texts:
            await room.send(sender, text)
        await room.until(lambda: all(len(room.inbox[name]) >= MANY for name in NAMES), 2 * WAIT_S)
        for name in NAMES:
            for before, after in itertools.pairwise(room.inbox[name]):
                if {before, after} <= set(texts) and texts.index(before) > texts.index(after):
                    raise Wrong(
                        f"4.2 order: client {name} saw {before!r} before {after!r} from the same sender.",
                        did=f"{sender} sent {MANY} messages, one after the other",
                        expected="the same order for everybody",
                        saw=f"number {texts.index(before) + 1} before number {texts.index(after) + 1}",
                        where=lambda event, name=name, text=before: _says(text)(event) and event.target == name,
                    )
        for text in texts:
            await room.must_reach(text, sender)


@behaviour("4.2", "start subscribes, and a server that is started later takes part")
async def later(answer):
    async with _chatting(answer) as room:
        number = SERVERS + 1
        await room.start(number)
        if not room.bus.subscriptions(number):
            raise Wrong(
                "4.2 start: start() had returned, and your server had not subscribed. What is published now is lost "
                "for its clients: await backplane.subscribe(...) in start().",
                did="await chat.start(backplane)",
                expected="a subscription",
                saw="none",
            )
        await room.connect("kim", number)
        for sender in random.choice(NAMES), "kim":
            await room.say(sender)


@behaviour("4.2", "a client comes while a message is being sent")
async def churn(answer):
    async with _chatting(answer) as room:
        number = random.randint(1, SERVERS)
        sender, text = await room.begin(number)
        await room.connect("kim", number)
        room.step()
        await room.chats.do("release")
        await room.until(lambda: all(text in room.inbox[name] for name in NAMES))
        missed = [name for name in NAMES if text not in room.inbox[name]]
        if missed:
            what = "s" * (len(missed) != 1)
            error = room.bus.errors[-1] if room.bus.errors else "the clients changed while your server sent to them"
            raise Wrong(
                f"4.2 churn: {error}; {len(missed)} client{what} missed the message.",
                did=f"{sender} sent a message, and while server {number} passed it on, kim came",
                expected="it reaches all who were there",
                saw=f"nothing for {', '.join(missed)}",
                where=lambda event: event.up and event.connection == "kim",
            )


@behaviour("4.2", "a client that fails does not stop the others")
async def failing(answer):
    async with _chatting(answer) as room:
        number = random.randint(1, SERVERS)
        sender, text = await room.begin(number)
        [victim] = await room.chats.do("waiting", _on(number)) or random.sample(_on(number), 1)
        room.server(number).tap.cut(victim)
        await room.chats.do("gone", victim)
        room.step()
        await room.chats.do("release")
        others = [name for name in NAMES if name != victim]
        for message in text, None:  # one that was on its way, and one that comes after it
            if message is None:
                sender = random.choice([name for name in others if name not in _on(number)])
                await room.send(sender, message := secrets.token_hex(4))
            await room.until(lambda message=message: all(message in room.inbox[name] for name in others))
            missed = [name for name in others if message not in room.inbox[name]]
            if missed:
                raise Wrong(
                    f"4.2 failing client: {len(missed)} clients missed the message, because the connection of another "
                    "one had ended. Catch ConnectionClosed for each client, or use broadcast().",
                    did=f"{sender} sent a message, and the connection of {victim} was cut",
                    expected="it reaches all others",
                    saw=f"nothing for {', '.join(missed)}",
                    where=lambda event: event.connection == victim and event.kind == "end",
                )


@behaviour("4.2", "stop leaves the backplane")
async def stops(answer):
    async with _chatting(answer) as room:
        number = random.randint(1, SERVERS)
        await room.chats.do("stop", number, what="stop()")
        left = room.bus.subscriptions(number)
        if left:
            raise Wrong(
                "4.2 stop: after stop() your server is still subscribed. Keep what subscribe() returned, and await its "
                "unsubscribe().",
                did="await chat.stop()",
                expected="no subscription",
                saw=f"a subscription to {left[0].subject!r}",
            )


# The room: three servers, nine clients ---------------------------------------------------------------------------


def _server(name):
    """The number of the server that a client is connected to."""
    return NAMES.index(name) % SERVERS + 1 if name in NAMES else SERVERS + 1


def _on(number):
    return [name for name in NAMES if _server(name) == number]


def _says(text):
    return lambda event: event.kind in DATA and event.text == text


@contextlib.asynccontextmanager
async def _chatting(answer):
    """Three of the learner's servers on one backplane, and three clients on each."""
    await answer.must_be_class()
    bus = Bus()
    try:
        async with answer.driven(Chats) as chats:
            answer.recording = chats.recording
            room = Room(bus, chats)
            for number in range(1, SERVERS + 1):
                await room.start(number)
            for name in NAMES:
                await room.connect(name, _server(name))
            room.step()
            try:
                yield room
            finally:
                await room.close()
    finally:
        await bus.close()


class Room:
    """What the check does and sees: `inbox` are the messages that each client got."""

    def __init__(self, bus, chats):
        self.bus, self.chats = bus, chats
        self.clients, self.inbox, self._readers = {}, {}, []

    def server(self, number):
        return self.chats.servers[f"Server {number}"]

    async def start(self, number):
        await self.chats.do("start", number, Backplane(self.bus, number), what="start()")

    async def connect(self, name, number):
        """Connect a client, and wait until the learner's handler has begun for it."""
        self.clients[name] = await self.server(number).connect(name)
        self.inbox[name] = []
        self._readers.append(asyncio.create_task(self._read(name)))
        await self.chats.do("begun", name)

    async def _read(self, name):
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.inbox[name].append(await self.clients[name].recv())

    def step(self):
        """In the picture, what comes from now on stands below a line."""
        self.chats.recording.trace.step += 1

    async def send(self, name, text):
        await self.server(_server(name)).send(self.clients[name], text)

    async def until(self, condition, within=WAIT_S):
        end = time.monotonic() + within
        while not condition() and time.monotonic() < end:
            await asyncio.sleep(LOOK_S)

    async def say(self, sender):
        """Let `sender` send a message that everybody has to get; returns the two."""
        text = f"hello {secrets.token_hex(3)}"
        await self.send(sender, text)
        await self.until(lambda: all(text in self.inbox[name] for name in self.inbox))
        await self.must_reach(text, sender)
        return sender, text

    async def begin(self, number):
        """Let a message come to server `number` that it cannot send on yet; returns its sender and the text."""
        await self.chats.do("hold")
        sender, text = random.choice(_on(number % SERVERS + 1)), f"hello {secrets.token_hex(3)}"
        await self.send(sender, text)
        end = time.monotonic() + WAIT_S
        while not await self.chats.do("waiting", _on(number)) and time.monotonic() < end:
            if all(text in self.inbox[name] for name in _on(number)):  # with broadcast(), nothing can be held up
                break
        self.step()
        return sender, text

    async def must_reach(self, text, sender):
        got = [name for name in self.inbox if text in self.inbox[name]]
        if len(got) < len(self.inbox):
            facts = {"did": f"{sender} sent {text!r}", "where": _says(text)}
            facts |= {"expected": f"it reaches all {len(self.inbox)} clients", "saw": f"it reached {got or 'nobody'}"}
            raise NoAnswer(await self._why(text, sender, got), **facts)

    async def _why(self, text, sender, got):
        """Why only `got` have the message."""
        if any(text.encode() in messages for messages in self.inbox.values()):
            return "4.2 text: the clients got bytes instead of a text. message.data is bytes: message.data.decode()."
        reached = sorted({_server(name) for name in got})
        some = f"4.2 reach: {len(got)} of {len(self.inbox)} clients got the message"
        if self.bus.errors:
            return f"{some}: the function that the backplane calls raised {self.bus.errors[-1]}."
        for server in self.chats.servers.values():
            if raised := await server.raised():
                return f"{some}: your handler raised {raised}."
        if reached == [_server(sender)] and not self.bus.published:
            return f"{some}: those on the sender's server."
        if len(reached) == 1 and self.bus.queued:
            return (
                "4.2 reach: each message reached only one server: a work queue has competing consumers, you need "
                "publish/subscribe."
            )
        silent = sorted({_server(name) for name in self.inbox} - set(reached))
        return f"{some}: nobody on server {', '.join(map(str, silent))}." if silent else f"{some}."

    async def close(self):
        self.step()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


class Chats(Driver):
    """The learner's servers; while they are held, no `send` of a connection goes on."""

    async def open(self):
        self.chats, self.connections, self.held, self.gate = {}, {}, [], None

    async def start(self, number, backplane):
        chat = self.chats[number] = self.answer()
        await chat.start(backplane)
        await self.serve(functools.partial(self.handle, chat), name=f"Server {number}")

    async def stop(self, number):
        await self.chats[number].stop()

    async def handle(self, chat, ws):
        name, send = ws.request.path.partition("name=")[2], ws.send

        async def send_when_let(*args, **named):  # as a send to a client that reads slowly
            if self.gate is not None:
                self.held.append(name)
                await self.gate.wait()
            await send(*args, **named)

        ws.send = send_when_let
        self.connections[name] = ws
        await chat.handler(ws)

    async def begun(self, name):
        while name not in self.connections:
            await asyncio.sleep(LOOK_S)

    async def gone(self, name):
        await self.connections[name].wait_closed()

    def hold(self):
        self.gate = asyncio.Event()

    def waiting(self, names):
        """The one of these clients to which a message is being sent, as a list; of several the first."""
        return [name for name in self.held if name in names][:1]

    def release(self):
        self.gate.set()
        self.gate = None


# The backplane ---------------------------------------------------------------------------------------------------


class Bus:
    """Takes publications to subscribers. `errors` are those of callbacks, `queued` whether a work queue is used."""

    def __init__(self):
        self.published, self.errors, self.queued = [], [], False
        self.limit = STORM
        self._subscriptions = []

    def subscriptions(self, number):
        """Those of server `number`."""
        return [each for each in self._subscriptions if each._number == number]

    def join(self, subscription):
        self.queued |= bool(subscription.queue)
        self._subscriptions.append(subscription)

    def leave(self, subscription):
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    async def publish(self, number, message):
        self.published.append(message)
        await asyncio.sleep(SLOW_S if len(self.published) % 2 else 0)
        if len(self.published) > self.limit:
            return
        groups = {}
        for each in list(self._subscriptions):
            if not _matches(each.subject, message.subject):
                continue
            if each.queue:
                groups.setdefault((each.subject, each.queue), []).append(each)
            else:
                each.take(message)
        for members in groups.values():
            others = [each for each in members if each._number != number]
            random.choice(others or members).take(message)

    async def close(self):
        for each in list(self._subscriptions):
            await each.unsubscribe()


def _matches(pattern, subject):
    """Does a subject fit a subscription's, in which * stands for one word and > for all that follow?"""
    wanted, words = pattern.split("."), subject.split(".")
    if wanted[-1] == ">" and len(words) >= len(wanted):
        wanted, words = wanted[:-1], words[: len(wanted) - 1]
    return len(wanted) == len(words) and all(want in ("*", word) for want, word in zip(wanted, words, strict=True))


class Backplane:
    """A server's way to the bus, with the methods of a connection of nats-py."""

    def __init__(self, bus, number):
        self._bus, self._number = bus, number

    async def subscribe(self, subject, queue="", cb=None, **more):
        subscription = Subscription(self._bus, self._number, subject, queue, cb)
        self._bus.join(subscription)
        return subscription

    async def publish(self, subject, payload=b"", reply="", headers=None):
        if not isinstance(payload, bytes | bytearray):
            raise TypeError(f"what is published is bytes, not {type(payload).__name__}: message.encode()")
        await self._bus.publish(self._number, Message(subject, bytes(payload), reply, headers))

    async def flush(self, timeout=10):
        pass

    async def drain(self):
        await self.close()

    async def close(self):
        for each in self._bus.subscriptions(self._number):
            await each.unsubscribe()


class Message:
    def __init__(self, subject, data, reply, headers):
        self.subject, self.data, self.reply, self.headers = subject, data, reply, headers


class Subscription:
    """Messages come to a callback, one after the other, or are taken from `messages` and `next_msg`."""

    def __init__(self, bus, number, subject, queue, cb):
        self.subject, self.queue = subject, queue
        self._bus, self._number, self._cb = bus, number, cb
        self._pending = asyncio.Queue()
        self.messages = Messages(self._pending)
        self._caller = asyncio.create_task(self._call()) if cb is not None else None

    def take(self, message):
        self._pending.put_nowait(message)

    async def _call(self):
        while True:
            message = await self._pending.get()
            try:
                await self._cb(message)
            except Raised as exc:
                self._bus.errors.append(str(exc))

    async def next_msg(self, timeout=1.0):
        return await asyncio.wait_for(self._pending.get(), timeout)

    async def unsubscribe(self, limit=0):
        self._bus.leave(self)
        self._pending.put_nowait(None)
        if self._caller is not None:
            self._caller.cancel()

    async def drain(self):
        await self.unsubscribe()


class Messages:
    def __init__(self, pending):
        self._pending = pending

    def __aiter__(self):
        return self

    async def __anext__(self):
        message = await self._pending.get()
        if message is None:
            raise StopAsyncIteration
        return message
