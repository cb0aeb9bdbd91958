"""What the check of 4.3, the slow reader, looks at, in the order in which a learner reads it.

One client reads everything, another one nothing, on a line that holds little. Messages are told apart by their number.
"""

import asyncio
import contextlib
import gc
import inspect
import itertools
import random
import socket
import time
import weakref

from websockets import ConnectionClosed

from wslab.judge import Driver, NoAnswer, Wrong, behaviour
from wslab.trace import DATA, Kind

MANY, SIZE, BATCH = 400, 50_000, 16
WAIT_S, GONE_S, QUIET_S, LOOK_S = 2.0, 2.0, 0.3, 0.01
PUBLISH_S = 0.1  # promised are 5 ms
MOST_BYTES = 8_000_000
NARROW_BYTES = 1 << 16
TOO_SLOW = 1013


@behaviour("4.3", "every client hears everything, in order")
async def everything(answer):
    async with _serving(answer, 64) as hub:
        ada, bob = await hub.connect("ada"), await hub.connect("bob")
        await hub.publish(0, 5)
        for client in ada, bob:
            await hub.read(client, range(5))
        await ada.close()
        await hub.publish(5, 5)
        await hub.read(bob, range(5, 10))


@behaviour("4.3", "a slow reader holds up nobody")
async def nobody_waits(answer):
    async with _serving(answer, _limit()) as hub:
        await hub.publish_all()


@behaviour("4.3", "only so much waits on the server for a slow reader")
async def bounded(answer):
    limit = _limit()
    async with _serving(answer, limit) as hub:
        await hub.publish_all()
        facts = {"did": f"published {MANY} messages of {SIZE // 1000} kB; one client read nothing"}
        facts["where"] = hub.last_for_slow()
        if hub.most > limit + BATCH + 4:  # those for the quick reader, and those that are being sent
            raise Wrong(
                f"4.3 memory: {hub.most} messages wait on the server for one client, allowed {limit}.",
                expected=f"a queue of at most {limit} messages",
                saw=f"{hub.most} messages",
                **facts,
            )
        waiting = await hub.driven.do("buffered")
        if waiting > MOST_BYTES:
            megabytes = waiting / 1e6
            raise Wrong(
                f"4.3 memory: {megabytes:.0f} MB wait on the server for one client; broadcast() never says no.",
                expected=f"at most {MOST_BYTES / 1e6:.0f} MB",
                saw=f"{megabytes:.0f} MB",
                **facts,
            )


@behaviour("4.3", "a client that is too slow is told so, if it reads again")
async def told(answer):
    async with _serving(answer, _limit()) as hub:
        await hub.publish_all(until_evicted=True)
        await hub.rest()
        if hub.slow.close_code is None:  # the next behaviour tells why
            return
        code, reason = int(hub.slow.close_code), hub.slow.close_reason
        if code not in (TOO_SLOW, 1006) or (code == TOO_SLOW and reason != "too slow"):
            raise Wrong(
                f"4.3 code: the slow client was closed with {code} {reason!r}. It is 1013, with the reason 'too slow'.",
                did="published until hub.evicted was 1, then let the slow client read",
                expected="1013 'too slow', or 1006 where the close frame did not come through",
                saw=f"{code} {reason!r}",
                where=lambda event: event.kind is Kind.CLOSE and event.connection == "slow",
            )


@behaviour("4.3", "it is evicted, even if it never reads again")
async def evicted(answer):
    async with _serving(answer, _limit()) as hub:
        await hub.publish_all()
        await hub.must_be_gone()
        await hub.must_have_evicted(1)


@behaviour("4.3", "it may come back, and who has left leaves nothing behind")
async def afterwards(answer):
    async with _serving(answer, 32) as hub:
        before = await answer.tasks()
        await hub.publish_all()
        await hub.must_be_gone()
        again = await hub.connect("slow")
        await hub.publish(MANY, BATCH)
        for client in again, hub.fast:
            await hub.read(client, range(MANY, MANY + BATCH))
        await again.close()
        hub.fast.transport.abort()
        if not await hub.driven.server.ended(within=WAIT_S):
            raise Wrong(
                f"4.3 left behind: {WAIT_S:g} s after the last client has left, a handler of yours still runs.",
                did="all clients left",
                expected="every handler has returned",
                saw="one that still runs",
            )
        await hub.publish(2 * MANY, BATCH)
        left = await hub.driven.do("kept")
        await hub.must_have_evicted(1)
        facts = {"did": f"all clients left; published {BATCH} messages", "expected": "nothing is kept"}
        if left:
            raise Wrong(
                f"4.3 left behind: {left} messages wait for clients that have left. Take a client out when its handler "
                "ends: finally.",
                saw=f"{left} messages",
                **facts,
            )
        tasks = await answer.tasks(after=QUIET_S) - before - await hub.driven.server.handlers()
        if tasks:
            raise Wrong(
                f"4.3 left behind: {len(tasks)} of your tasks still run after all clients have left. Cancel the writer "
                "when the handler ends.",
                saw=f"{len(tasks)} tasks",
                **facts,
            )


@behaviour("4.3", "publish is a plain function")
async def plain(answer):
    async with _serving(answer, 64) as hub:
        await hub.publish(0, 1)
        if hub.awaited:
            raise Wrong(
                "4.3 publish: it returned a coroutine. It never waits, so it is written with def, without async.",
                did="hub.publish(message)",
                expected="None",
                saw="a coroutine",
            )


def _limit():
    return random.randint(2 * BATCH, 4 * BATCH)


# The hub, and its two readers ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _serving(answer, limit):
    await answer.must_be_class()
    async with answer.driven(Hubs, limit) as driven:
        yield Hub(answer, driven)


class Hub:
    """The learner's hub from outside. `most` is how many messages it ever held, `awaited` whether publish waits."""

    def __init__(self, answer, driven):
        self.answer, self.driven = answer, driven
        self.most, self.awaited = 0, False

    async def connect(self, name, **options):
        client = await self.driven.server.connect(name, **options)
        await self.driven.do("begun", name)
        return client

    async def publish(self, first, count):
        slowest, alive, self.awaited = await self.driven.do("publish", first, count, what="publish()")
        self.most = max(self.most, alive)
        return slowest if self.awaited else 0.0

    async def publish_all(self, until_evicted=False):
        """Publish all messages, so that a quick reader can follow, while another one does not read."""
        self.slow = await self.connect("slow", max_queue=1, sock=_narrow(self.driven.server))
        self.fast = await self.connect("fast")
        for first in range(0, MANY, BATCH):
            numbers, got = range(first, min(first + BATCH, MANY)), first
            publishing = asyncio.ensure_future(self.publish(first, len(numbers)))
            try:
                for got in numbers:
                    await self._next(self.fast, got)
                slowest = await publishing
            except (NoAnswer, TimeoutError):
                raise await self._stalled(publishing, got) from None
            finally:
                publishing.cancel()
            if slowest > PUBLISH_S:
                raise await self._late(f"{slowest:.1f} s")
            if until_evicted and await self.driven.do("evicted"):
                break

    async def _stalled(self, publishing, got):
        """What to say where the quick reader got no further than to message `got`."""
        await asyncio.wait([publishing], timeout=WAIT_S)
        where = await self.answer.waited_in()
        waits = not publishing.done() or publishing.exception() is not None
        if waits and any(name.endswith(".close") for name in where):
            return await self._late(f"more than {WAIT_S:.1f} s")
        if waits and any(name.endswith(".send") for name in where):
            line = f"4.3 stall: the fast client had {got} of {MANY} when publishing stopped at the slow one."
        elif got < BATCH:
            raised = await self.driven.server.raised()
            line = f"4.3 stall: the fast client got nothing{raised and f'; your handler raised {raised}'}."
        elif self.fast.close_code is not None:
            line = f"4.3 stall: the fast client was closed with {int(self.fast.close_code)} after {got} of {MANY}."
        else:
            line = "4.3 stall: one unfinished send holds back every next message."
        return NoAnswer(
            line,
            did=f"published {MANY} messages; one client read nothing",
            expected=f"{MANY} of {MANY} for the one that reads",
            saw=f"{got} of {MANY}",
            where=self.last_for_slow(),
        )

    async def _late(self, took):
        why = "it may never wait."
        if any(name.endswith(".close") for name in await self.answer.waited_in()):
            why = "closing a client that does not read waits for close_timeout."
        return Wrong(
            f"4.3 publish: took {took}: {why}",
            did="hub.publish(message), while one client read nothing",
            expected="under 5 ms",
            saw=took,
        )

    async def read(self, client, numbers):
        for number in numbers:
            await self._next(client, number)

    async def _next(self, client, number):
        did = f"published message {number}"
        message = await self.driven.server.receive(client, did, expected=f"message {number}", timeout=WAIT_S)
        if message[:6] != f"{number:06d}":
            raise Wrong(
                f"4.3 messages: expected message {number}, saw {message[:6]!r}: all of them, in order, as they are.",
                did=did,
                expected=f"message {number}",
                saw=f"message {message[:6]!r}",
                where=lambda event: not event.up and event.kind in DATA and event.text[:6] == message[:6],
            )

    async def must_be_gone(self):
        """The server has ended the connection of the client that does not read."""
        end = time.monotonic() + GONE_S
        while not (gone := await self.driven.do("gone", "slow")) and time.monotonic() < end:
            await asyncio.sleep(LOOK_S)
        if gone:
            return
        numbers = await self.rest()
        facts = {"did": f"published {MANY} messages; one client read nothing", "expected": "it is evicted"}
        facts["where"] = self.last_for_slow()
        if self.slow.close_code is None:
            await self.publish(MANY, 2)
            await self.read(self.fast, range(MANY, MANY + 2))
            numbers += await self.rest()
        gaps = [(a, b) for a, b in itertools.pairwise(numbers) if b != a + 1]
        if gaps:
            before, after = gaps[0]
            raise Wrong(
                f"4.3 honesty: the slow client has a gap ({before} then {after}) and was not told. Evict it or send a "
                "resync marker.",
                saw=f"message {before}, then message {after}",
                **facts | {"where": _to_slow(after)},
            )
        still = f"4.3 eviction: still connected after {GONE_S:g} s."
        if self.slow.close_code is not None:
            raise Wrong(
                f"{still} ws.close(...) waits for a client that does not read: give it a second at most, then "
                "ws.transport.abort().",
                saw=f"the end came only when it read again: {int(self.slow.close_code)}",
                **facts,
            )
        raise Wrong(f"{still} While the write buffer is full the keepalive ping waits too.", saw="connected", **facts)

    def last_for_slow(self):
        """The arrow of the last message that came through to the slow client."""
        trace = self.driven.recording.trace
        numbers = [int(event.text[:6]) for event in trace if _to_slow()(event)]
        return _to_slow(max(numbers, default=0))

    async def rest(self):
        """The numbers of the messages that the slow client finds, once it reads."""
        numbers = []
        with contextlib.suppress(TimeoutError, ConnectionClosed):
            while True:
                numbers.append(int((await asyncio.wait_for(self.slow.recv(), QUIET_S))[:6]))
        return numbers

    async def must_have_evicted(self, count):
        evicted = await self.driven.do("evicted")
        if (type(evicted), evicted) != (int, count):
            raise Wrong(
                f"4.3 evicted: hub.evicted is {evicted!r}; {count} client was too slow.",
                did="looked at hub.evicted",
                expected=repr(count),
                saw=repr(evicted),
            )


def _to_slow(number=None):
    """Is an event message `number`, or any, to the slow client?"""
    begin = "" if number is None else f"{number:06d}"
    return lambda event: (
        not event.up and event.kind in DATA and event.connection == "slow" and event.text.startswith(begin)
    )


def _narrow(server):
    """A socket that takes in little, connected to `server`."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
    sock.connect(("127.0.0.1", server.tap.port))
    sock.setblocking(False)
    return sock


class Message(str):
    """A text of which one can tell whether anybody still holds it."""


class Hubs(Driver):
    """The learner's hub, and what only its process knows."""

    async def open(self, limit):
        self.hub = self.answer(limit=limit)
        self.connections, self.published = {}, []
        await self.serve(self.handle)

    async def handle(self, ws):
        sock = ws.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW_BYTES)
        self.connections[ws.request.path.partition("name=")[2]] = ws
        await self.hub.handler(ws)

    async def begun(self, name):
        while name not in self.connections:
            await asyncio.sleep(LOOK_S)

    async def publish(self, first, count):
        """Returns how long the slowest publish took, how many messages are held, and whether publish is awaited."""
        slowest, awaited = 0.0, False
        for number in range(first, first + count):
            message = Message(f"{number:06d} " + "x" * SIZE)
            self.published.append(weakref.ref(message))
            began = time.perf_counter()
            result = self.hub.publish(message)
            del message
            if inspect.isawaitable(result):
                awaited = True
                await result
            slowest = max(slowest, time.perf_counter() - began)
        return slowest, self.alive(), awaited

    def alive(self):
        return sum(message() is not None for message in self.published)

    def kept(self):
        gc.collect()  # what only a circle of references holds is nobody's any more
        return self.alive()

    def buffered(self):
        return max(ws.transport.get_write_buffer_size() for ws in self.connections.values())

    def gone(self, name):
        return self.connections[name].state.name == "CLOSED"

    def evicted(self):
        return self.hub.evicted
