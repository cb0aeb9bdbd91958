"""What the checks of 2.2 and 2.3, servers that answer by id, look at, in the order in which a learner reads it."""

import asyncio
import contextlib
import json
import random
import secrets
import time

from wslab.judge import NoAnswer, Wrong, behaviour
from wslab.trace import DATA

# 2.2 A server that answers by id -------------------------------------------------------------------------------


async def double(body):
    """The work that the check hands in: slow enough that requests overlap."""
    await asyncio.sleep(random.uniform(0.005, 0.03))
    return {"double": body + body}


@behaviour("2.2", "one request, one answer")
async def one_answer(answer):
    async with answer.served(double) as server:
        client = await server.connect()
        await _ask(server, client, 7, "ab")
        _judge(server, await _next(server, client, {"id": 7, "body": "ab"}), {7: "ab"})


@behaviour("2.2", "the id comes back unchanged: a number, a text")
async def ids(answer):
    async with answer.served(double) as server:
        client = await server.connect()
        for number in (random.randrange(100, 999), f"req-{secrets.token_hex(2)}", "", 0):
            await _ask(server, client, number, "xy")
            _judge(server, await _next(server, client, {"id": number, "body": "xy"}), {number: "xy"})


@behaviour("2.2", "five requests on their way at once: each answer belongs to its own request")
async def pairing(answer):
    async with answer.served(double) as server:
        client = await server.connect()
        waiting = {number: secrets.token_hex(2) for number in random.sample(range(100, 999), 5)}
        for number, body in waiting.items():
            await _ask(server, client, number, body)
        for _ in range(5):
            reply = await _next(server, client, f"five requests with the ids {list(waiting)}")
            waiting.pop(_judge(server, reply, waiting))


@behaviour("2.2", "two clients with the same ids get their own answers")
async def two_clients(answer):
    async with answer.served(double) as server:
        ada, bob = await server.connect("ada"), await server.connect("bob")
        await _ask(server, ada, 1, "a")
        await _ask(server, bob, 1, "b")
        _judge(server, await _next(server, bob, {"id": 1, "body": "b"}), {1: "b"})
        _judge(server, await _next(server, ada, {"id": 1, "body": "a"}), {1: "a"})


@behaviour("2.2", "the handler ends, without an error, when its client has left")
async def ends(answer):
    async with answer.served(double) as server:
        client = await server.connect()
        await _ask(server, client, 1, "z")
        await _next(server, client, {"id": 1, "body": "z"})
        await client.close()
        if not await server.ended(within=0.5):
            raise Wrong(
                "2.2 after close: your handler still runs 0.5 s after the client left. 'async for message in ws' "
                "ends by "
                "itself.",
                did="closed the connection",
                expected="the handler returns",
                saw="it still runs",
            )
        if await server.raised():
            raise Wrong(
                f"2.2 after close: your handler raised {await server.raised()} when the client left normally. Use "
                "'async for', or "
                "catch ConnectionClosed.",
                did="closed the connection with 1000",
                expected="a quiet end",
                saw=await server.raised(),
            )


# 2.3 Eight at once ---------------------------------------------------------------------------------------------

LIMIT, MANY = 8, 20
TRIES = 3  # a machine that stands still may turn an order round, but not three times in a row


class Work:
    """Work of the check's own making: `process` takes the seconds named for a body; any other body is held.

    `begun` counts all, `held` those that wait for the gate now, `most` how many ever did so at once.
    """

    def __init__(self, **seconds):
        self.seconds = seconds
        self.gate = asyncio.Event()
        self.begun = self.held = self.most = 0

    async def process(self, body):
        self.begun += 1
        if body in self.seconds:
            await asyncio.sleep(self.seconds[body])
        else:
            await self._hold()
        return {"double": body + body}

    async def _hold(self):
        self.held += 1
        self.most = max(self.most, self.held)
        try:
            await self.gate.wait()
        finally:
            self.held -= 1

    async def holds(self, number):
        """Wait until `number` are held at once, a second at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while self.held < number:
                    await asyncio.sleep(0.005)


@behaviour("2.3", "an answer comes while the client stays connected")
async def liveness(answer):
    work = Work(ab=0.01)
    async with answer.served(work.process) as server:
        client = await server.connect()
        await _ask(server, client, 7, "ab")
        try:
            reply = await _next(server, client, {"id": 7, "body": "ab"}, timeout=1.0)
        except NoAnswer as exc:
            begun = work.begun
            if client.close_code is None:
                await client.close()
                await server.ended(within=0.5)
            if work.begun > begun or "ConnectionClosed" in await server.raised():  # only now it worked, or spoke
                raise NoAnswer(
                    "2.3 liveness: no answer arrived until the client stopped sending.",
                    did=exc.did,
                    expected="an answer while the client waits for it",
                    saw="work that began, or an answer that was sent, after the client had closed",
                    where=lambda event: event.up and event.kind in DATA,
                ) from None
            raise
        _judge(server, reply, {7: "ab"})


@behaviour("2.3", "five requests on their way at once: each answer belongs to its own request")
async def five(answer):
    await pairing(answer)


@behaviour("2.3", "a quick request overtakes a slow one")
async def overtaking(answer):
    for _ in range(TRIES):
        work = Work(slow=0.2, fast=0.01)
        waiting = dict(zip(random.sample(range(100, 999), 2), work.seconds, strict=True))
        slow, fast = waiting
        did = f"sent request {slow} (200 ms of work), then request {fast} (10 ms)"
        async with answer.served(work.process) as server:
            client = await server.connect()
            for number, body in waiting.items():
                await _ask(server, client, number, body)
            began, order = time.monotonic(), []
            while fast not in order:
                order.append(_judge(server, await _next(server, client, did), waiting))
            waited = time.monotonic() - began
        if order == [fast]:
            return
    raise Wrong(
        f"2.3 overtaking: a 10 ms request waited {waited * 1000:.0f} ms behind a 200 ms one on the same connection.",
        did=did,
        expected=f"the answer to {fast} first",
        saw=f"the answers in the order {order}",
        where=_answers(slow),
    )


@behaviour("2.3", "at most 8 at once, on each connection for itself")
async def limit(answer):
    work = Work(quick=0.01)
    async with answer.served(work.process) as server:
        ada, bob = await server.connect("ada"), await server.connect("bob")
        waiting = {number: f"held-{secrets.token_hex(2)}" for number in random.sample(range(100, 999), MANY)}
        for number, body in waiting.items():
            await _ask(server, ada, number, body)
        did = f"sent {MANY} requests at once"
        await work.holds(LIMIT)
        await asyncio.sleep(0.1)  # a ninth would come now
        if work.held < LIMIT:
            raise NoAnswer(
                f"2.3 limit: only {work.held} of {MANY} requests ran at once; up to 8 should.",
                did=did,
                expected="8 at once",
                saw=f"{work.held} at once",
            )
        _judge_most(work, did, list(waiting)[LIMIT])
        await _ask(server, bob, 1, "quick")
        try:
            reply = await _next(server, bob, "another client sent a request while 8 of the first one ran", timeout=1.0)
        except NoAnswer as exc:
            raise NoAnswer(
                "2.3 limit: while 8 requests of one client ran, nothing was done for another client. Each connection "
                "has a limit of its own: make it inside the handler.",
                did=exc.did,
                expected="an answer to the other client",
                saw=exc.saw,
                where=lambda event: event.up and event.kind in DATA and event.connection == "bob",
            ) from None
        _judge(server, reply, {1: "quick"})
        work.gate.set()
        for _ in range(MANY):
            reply = await _next(server, ada, did)
            waiting.pop(_judge(server, reply, waiting))
        _judge_most(work, did, None)


def _judge_most(work, did, ninth):
    at_once = work.most
    if at_once > LIMIT:
        raise Wrong(
            f"2.3 limit: {at_once} requests ran at once, at most 8 allowed.",
            did=did,
            expected="8 at once, the others one by one as places become free",
            saw=f"{at_once} at once",
            where=lambda event: event.up and event.kind in DATA and json.loads(event.text)["id"] == ninth,
        )


@behaviour("2.3", "nothing is left running when its client has left, politely or not")
async def clean_up(answer):
    for leave, did in (_close, "closed the connection"), (_abort, "ended the connection without a close frame"):
        work = Work()
        async with answer.served(work.process) as server:
            before = await answer.tasks()
            client = await server.connect()
            for number in range(1, LIMIT + 3):
                await _ask(server, client, number, "held")
            await work.holds(LIMIT)
            await leave(client)
            left = await answer.tasks(after=0.2) - before - await server.handlers()
            still = max(len(left), work.held)
            work.gate.set()
            facts = {
                "did": f"sent {LIMIT + 2} requests, then {did}",
                "expected": "everything cancelled",
                "where": lambda event: event.up and event.kind in ("close", "end"),
            }
            if still:
                raise Wrong(
                    f"2.3 clean-up: {still} of your tasks still run 0.2 s after the client left.",
                    saw=f"{still} at work",
                    **facts,
                )
            if not await server.ended(within=0.5):
                raise Wrong(
                    "2.3 clean-up: your handler has not returned 0.2 s after the client left.",
                    saw="the handler still runs",
                    **facts,
                )
            if leave is _close and await server.raised():
                raise Wrong(
                    f"2.3 after close: your handler raised {await server.raised()} when the client left normally.",
                    saw=await server.raised(),
                    **facts,
                )


async def _close(client):
    await client.close()


async def _abort(client):
    client.transport.abort()


# What both use -------------------------------------------------------------------------------------------------


async def _ask(server, client, number, body):
    await server.send(client, json.dumps({"id": number, "body": body}))


async def _next(server, client, did, timeout=2.0):
    text = await server.receive(client, f"sent {json.dumps(did) if isinstance(did, dict) else did}", timeout=timeout)
    try:
        return json.loads(text)
    except ValueError:
        raise Wrong(
            f"{server.exercise} format: the answer {text!r} is not JSON: send json.dumps({{...}}).",
            did=f"sent {did}",
            expected="a JSON object",
            saw=repr(text),
            where=lambda event: not event.up and event.kind in DATA,
        ) from None


def _judge(server, reply, waiting):
    """The id of the request that `reply` answers; `waiting` are the bodies by id."""
    facts = {"did": f"sent requests with the ids {list(waiting)}", "saw": json.dumps(reply)}

    def where(event):
        return not event.up and event.kind in DATA and _same(event.text, reply)

    if not isinstance(reply, dict) or "id" not in reply:
        raise Wrong(
            f'{server.exercise} id: the answer {json.dumps(reply)} has no "id": the client cannot know which request '
            "it answers.",
            expected='an object with "id" and "body"',
            where=where,
            **facts,
        )
    number = reply["id"]
    if not any(type(number) is type(known) and number == known for known in waiting):
        sent = next(iter(waiting))
        raise Wrong(
            f"{server.exercise} id: sent id {sent!r}, got {number!r}. Send back the client's id unchanged.",
            expected=f"one of the ids {list(waiting)}",
            where=where,
            **facts,
        )
    body = waiting[number]
    if reply.get("body") != {"double": body + body}:
        raise Wrong(
            f"{server.exercise} body: the answer with id {number!r} has the body {reply.get('body')!r}; it should be "
            f"what process({body!r}) returned. Keep the id and the body of one request together.",
            expected=json.dumps({"id": number, "body": {"double": body + body}}),
            where=where,
            **facts,
        )
    return number


def _same(text, reply):
    try:
        return json.loads(text) == reply
    except ValueError:
        return False


def _answers(number):
    """The arrow of the answer with the id `number`."""

    def where(event):
        return not event.up and event.kind in DATA and json.loads(event.text)["id"] == number

    return where
