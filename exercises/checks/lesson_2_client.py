"""What the check of 2.4, a client that can be trusted, looks at, in the order in which a learner reads it.

The check plays the server: it reads the requests of the learner's client and decides what comes back, and when.
"""

import asyncio
import contextlib
import dataclasses
import json
import random
import secrets
import time

from websockets import connect

from wslab.judge import Driver, NoAnswer, Raised, Wrong, behaviour
from wslab.played import Asked, play
from wslab.recording import record
from wslab.trace import DATA, Kind

WAIT_S = 1.0
CALLS, CALL_S = 20, 0.05
LATE, LATE_S = 5, 0.05
CLOSE_S = 0.3
TRIES = 3  # a machine that stands still may tear requests apart, but not three times in a row


class Client(Driver):
    """The learner's client on an open connection, beside its code."""

    async def open(self, url):
        self.ws = await connect(url, compression=None, open_timeout=WAIT_S, close_timeout=CLOSE_S, proxy=None)
        self.client = self.answer(self.ws)

    def call(self, body, timeout):
        return self.client.call(body, timeout=timeout)

    def event(self):
        return self.client.events.get()

    def end(self):
        return self.client.close()

    async def left(self):
        await self.ws.wait_closed()

    async def close(self):
        await self.ws.close()


@behaviour("2.4", "a call returns the body of its answer, whatever that is")
async def one_call(answer):
    async with _playing(answer) as (client, server):
        for body in (f"answer {secrets.token_hex(2)}", {"list": [1, None]}, "", 0, None):
            asked = f"question {secrets.token_hex(2)}"
            call = _call(client, asked)
            request = await _request(server, asked, call)
            _judge_body(request, [asked])
            await _answer(server, request, body)
            returned = await _returned(call, asked)
            if json.dumps(returned) != json.dumps(body):
                raise Wrong(
                    f"2.4 result: call returned {returned!r}; the body of its answer is {body!r}.",
                    did=f"call({asked!r})",
                    expected=repr(body),
                    saw=repr(returned),
                    where=_answers(request.id),
                )


@behaviour("2.4", "20 calls at once, answered in reverse")
async def reverse(answer):
    for _ in range(TRIES):
        together, seconds = await _twenty(answer)
        if together in (1, CALLS):
            break
    facts = {"did": f"{CALLS} calls at once", "expected": f"{CALLS} requests before the first answer"}
    if together == 1:
        raise Wrong(
            f"2.4 parallel: {CALLS} calls of {CALL_S * 1000:.0f} ms took {seconds:.2f} s: your lock made them "
            "sequential (and a push would be taken for an answer).",
            saw="each request only after the answer to the one before",
            where=lambda event: not event.up and event.kind in DATA,
            **facts,
        )
    if together < CALLS:
        raise Wrong(
            f"2.4 parallel: at most {together} of {CALLS} calls were on their way at once: the others had to wait "
            "for answers that are not theirs.",
            saw=f"{together} requests",
            where=lambda event: not event.up and event.kind in DATA,
            **facts,
        )


async def _twenty(answer):
    """Make all calls at once; returns how many were on their way together, and the seconds until the last returned."""
    async with _playing(answer) as (client, server):
        asked = random.sample(range(100, 999), CALLS)
        answers = {number: secrets.token_hex(4) for number in asked}
        began, together, ids = time.monotonic(), 0, {}
        calls = {number: _call(client, number) for number in asked}
        while len(ids) < CALLS:
            batch = await _requests(server, CALLS - len(ids))
            if not batch:
                break
            together = max(together, len(batch))
            for request in reversed(batch):
                _judge_body(request, asked)
                if request.id in ids.values():
                    raise Wrong(
                        f"2.4 id: two of the calls that wait at the same time sent the id {request.id!r}.",
                        did=f"{CALLS} calls at once",
                        expected="an id for each call",
                        saw=str(request.asked.data),
                        where=lambda event, id=request.id: event.up and _id(event) == id,
                    )
                ids[request.body] = request.id
                await _answer(server, request, answers[request.body])
        await asyncio.wait(calls.values(), timeout=WAIT_S)
        for number, call in calls.items():
            if call.done() and _raised(call, "ConcurrencyError"):
                raise Wrong(
                    "2.4 concurrent calls: ConcurrencyError: two coroutines called recv. Let one reader task hand out "
                    "the answers.",
                    did=f"{CALLS} calls at once",
                    expected="all of them answered",
                    saw="ConcurrencyError",
                    where=_answers(ids.get(number)),
                )
        for number, call in calls.items():
            returned = await _returned(call, number)
            if returned != answers[number]:
                other = next((key for key, value in answers.items() if value == returned), None)
                raise Wrong(
                    f"2.4 order: call {number} received the answer of call {other}."
                    if other is not None
                    else f"2.4 order: call {number} returned {returned!r} instead of the body of its answer.",
                    did=f"{CALLS} calls at once, answered in reverse",
                    expected=f"call({number}) returns {answers[number]!r}",
                    saw=repr(returned),
                    where=_answers(ids[other if other is not None else number]),
                )
        return together, time.monotonic() - began


@behaviour("2.4", "a push goes to events, not to a call")
async def pushes(answer):
    async with _playing(answer) as (client, server):
        asked, body = f"question {secrets.token_hex(2)}", f"answer {secrets.token_hex(2)}"
        news = {"type": "news", "body": f"news {secrets.token_hex(2)}"}
        stray = {"id": f"stray-{secrets.token_hex(2)}", "body": f"stray {secrets.token_hex(2)}"}
        call = _call(client, asked)
        request = await _request(server, asked, call)
        for message in (news, stray):
            await _push(server, message)
        await _answer(server, request, body)
        returned = await _returned(call, asked, "push")
        facts = {"did": f"call({asked!r}), and a push before its answer", "expected": repr(body), "saw": repr(returned)}
        if returned in (news, news["body"]):
            raise Wrong(
                f"2.4 push: call returned {returned!r}, which is an event without id.", where=_says(news), **facts
            )
        if returned != body:
            raise Wrong(
                f"2.4 push: call returned {returned!r}, which is not the answer with the id {request.id!r}.",
                where=_says(stray if returned in (stray, stray["body"]) else news),
                **facts,
            )
        for message in (news, stray):
            await _event(client, message, "while a call waited")
        idle = {"type": "news", "body": f"news {secrets.token_hex(2)}"}
        await _push(server, idle)
        await _event(client, idle, "while no call waited")


@behaviour("2.4", "a call gives up in time, and its late answer reaches nobody")
async def late_answers(answer):
    async with _playing(answer) as (client, server):
        before = await answer.waiting_objects()
        asked = [f"slow {secrets.token_hex(2)}" for _ in range(LATE)]
        requests = await _time_out(client, server, asked)
        entries = max((await answer.waiting_objects() - before).values(), default=0)
        did = f"{LATE} times call(…, timeout={LATE_S}), and no answer in that time"
        if entries >= LATE:  # one or two may be anybody's
            raise Wrong(
                f"2.4 time-out: {entries} pending entries are left after TimeoutError.",
                did=did,
                expected="TimeoutError, and nothing left of the calls",
                saw=f"TimeoutError, and {entries} objects that still wait for an answer",
                where=lambda event: event.up and _id(event) == requests[0].id,
            )
        await _late(client, server, requests)


async def _time_out(client, server, asked):
    """Let calls end without an answer, and return their requests; keeps no exception, which would keep frames alive."""
    calls = [_call(client, body, LATE_S) for body in asked]
    requests = [await _request(server, body, call) for body, call in zip(asked, calls, strict=True)]
    await asyncio.wait(calls, timeout=WAIT_S)
    for body, call in zip(asked, calls, strict=True):
        saw = _outcome(call)
        if not saw.startswith("raised TimeoutError"):
            raise NoAnswer(
                f"2.4 time-out: call({body!r}, timeout={LATE_S}) {saw}; without an answer it should raise "
                "TimeoutError.",
                did=f"call({body!r}, timeout={LATE_S}), and no answer",
                expected="TimeoutError",
                saw=saw,
                where=lambda event: event.up and event.kind in DATA,
            )
    return requests


async def _late(client, server, requests):
    """Now the late answers come, before the answer to a call that waits."""
    asked, body = f"question {secrets.token_hex(2)}", f"answer {secrets.token_hex(2)}"
    call = _call(client, asked)
    request = await _request(server, asked, call)
    late = [await _answer(server, earlier, f"late {secrets.token_hex(2)}") for earlier in requests]
    await _answer(server, request, body)
    did = f"{LATE} late answers, then the answer to call({asked!r})"
    await asyncio.wait([call], timeout=WAIT_S)
    saw = _outcome(call)
    if saw != f"returned {body!r}":
        wrong = next((message for message in late if saw == f"returned {message['body']!r}"), None)
        raise Wrong(
            f"2.4 late answer: call({asked!r}) returned {wrong['body']!r}, the answer to an earlier call that had "
            "given up. Never use an id twice."
            if wrong is not None
            else f"2.4 late answer: after a late answer had come, the next call {saw}. Did it end your reader?",
            did=did,
            expected=f"returned {body!r}",
            saw=saw,
            where=_says(wrong or late[0]),
        )
    marker = {"type": "news", "body": f"news {secrets.token_hex(2)}"}
    await _push(server, marker)
    event = await client.do("event", what="events.get()")
    if event in late:
        raise Wrong(
            f"2.4 late answer: {json.dumps(event)} came into events; an answer to an id of yours that is too late is "
            "dropped.",
            did=did,
            expected="no event",
            saw=json.dumps(event),
            where=_says(event),
        )


@behaviour("2.4", "a connection that ends, ends the calls that wait")
async def cut(answer):
    for how in ("cut", "closed with 1000"):
        async with _playing(answer) as (client, server):
            asked = [f"question {secrets.token_hex(2)}" for _ in range(3)]
            calls = [_call(client, body, timeout=10.0) for body in asked]
            for body, call in zip(asked, calls, strict=True):
                await _request(server, body, call)
            if how == "cut":
                server.cut()
            else:
                await server.close()
            await _all_ended(answer, client, dict(zip(asked, calls, strict=True)), f"3 calls, then the server {how}")


async def _all_ended(answer, client, calls, did):
    await client.do("left")
    await answer.tasks(after=0.2)
    facts = {"did": did, "expected": "ConnectionClosed", "where": lambda event: event.kind in (Kind.CLOSE, Kind.END)}
    if not all(call.done() for call in calls.values()):
        raise NoAnswer(
            "2.4 cut: a call was still waiting 0.2 s after the connection ended. Fail all pending futures in the "
            "reader's finally.",
            saw=f"{sum(not call.done() for call in calls.values())} of {len(calls)} still waiting",
            **facts,
        )
    for body, call in calls.items():
        if not _raised(call, "ConnectionClosed"):
            saw = _outcome(call)
            raise Wrong(
                f"2.4 cut: call({body!r}) {saw} when the connection ended; it should raise ConnectionClosed.",
                saw=saw,
                **facts,
            )


@behaviour("2.4", "close() ends the connection and leaves no task behind")
async def close(answer):
    before = await answer.tasks()
    async with _playing(answer) as (client, server):
        asked = f"question {secrets.token_hex(2)}"
        call = _call(client, asked, timeout=10.0)
        await _request(server, asked, call)
        did = f"call({asked!r}), then close() before its answer"
        await client.do("end", what="close()")
        if not await server.left(WAIT_S):
            raise Wrong(
                f"2.4 close: the connection was still open {WAIT_S:g} s after close() had returned: close ws, too.",
                did=did,
                expected="a close frame from your client",
                saw="an open connection",
            )
        await _all_ended(answer, client, {asked: call}, did)
        left = await answer.tasks() - before
        if left:
            raise Wrong(
                f"2.4 close: {len(left)} of your tasks still run 0.2 s after close() had returned.",
                did=did,
                expected="no task",
                saw=f"{len(left)} at work",
                where=lambda event: event.kind is Kind.CLOSE,
            )


# The server that the check plays -------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _playing(answer):
    """The learner's client, connected to a server that this check plays; what crosses is recorded."""
    await answer.must_be_class()
    async with play() as server:
        with record(server.server) as answer.recording:
            async with answer.driven(Client, server.url) as client:
                yield client, server


async def _request(server, asked, call):
    """The next request, which `call` should have sent with the body `asked`."""
    message = await server.receive(WAIT_S)
    if message is None:
        raise NoAnswer(
            f"2.4 request: no request came from your client; call({asked!r}) {_outcome(call)}.",
            did=f"call({asked!r})",
            expected=json.dumps({"id": "…", "body": asked}, ensure_ascii=False),
            saw="no message",
        )
    return _read(message)


async def _requests(server, number):
    """The next requests: `number` of them, or those that come until none came for the time of a call."""
    found = []
    while len(found) < number:
        message = await server.receive(CALL_S if found else WAIT_S)
        if message is None:
            break
        found.append(_read(message))
    return found


@dataclasses.dataclass
class Request:
    id: object
    body: object
    asked: Asked


def _read(asked):
    text = asked.data
    with contextlib.suppress(ValueError, TypeError, KeyError):
        request = json.loads(text)
        return Request(request["id"], request["body"], asked)
    raise Wrong(
        f'2.4 request: your client sent {text!r}; a request is a JSON text with "id" and "body".',
        did="a call",
        expected='{"id": …, "body": …}',
        saw=repr(text),
        where=lambda event: event.up and event.kind in DATA and event.text == text,
    )


async def _answer(server, request, body):
    message = {"id": request.id, "body": body}
    await server.send(json.dumps(message), to=request.asked)
    return message


async def _push(server, message):
    await server.send(json.dumps(message))


def _judge_body(request, bodies):
    if request.body not in bodies:
        raise Wrong(
            f"2.4 request: your client sent the body {request.body!r}, which is not what call was given.",
            did=f"call({bodies[0]!r})",
            expected=repr(bodies[0]),
            saw=str(request.asked.data),
            where=lambda event: event.up and _id(event) == request.id,
        )


# What a call did -----------------------------------------------------------------------------------------------


def _call(client, body, timeout=5.0):
    return client.start("call", body, timeout)


async def _returned(call, asked, word="answer"):
    """What a call returned whose answer has been sent."""
    await asyncio.wait([call], timeout=WAIT_S)
    saw = _outcome(call)
    if saw.startswith("returned"):
        return call.result()
    raise NoAnswer(
        f"2.4 {word}: call({asked!r}) {saw}, although its answer was sent.",
        did=f"call({asked!r})",
        expected="the body of the answer",
        saw=saw,
        where=lambda event: not event.up and event.kind in DATA,
    )


def _outcome(call):
    if not call.done():
        return "has not returned"
    if call.cancelled():
        return "was cancelled"
    exc = call.exception()
    return f"returned {call.result()!r}" if exc is None else f"raised {exc}"


def _raised(call, name):
    return not call.cancelled() and isinstance(call.exception(), Raised) and call.exception().isa(name)


async def _event(client, message, when):
    facts = {"did": f"sent {json.dumps(message)} {when}", "expected": f"{message} in events", "where": _says(message)}
    try:
        event = await client.do("event")
    except NoAnswer:
        raise NoAnswer(
            f"2.4 events: {json.dumps(message)}, sent {when}, did not come into events.", saw="nothing", **facts
        ) from None
    if event != message:
        raise Wrong(
            f"2.4 events: events held {event!r} instead of {message!r}: each message without a waiting call, parsed, "
            "in the order in which they came.",
            saw=repr(event),
            **facts,
        )


# Arrows --------------------------------------------------------------------------------------------------------


def _id(event):
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        return json.loads(event.text).get("id") if event.kind in DATA else None


def _answers(id):
    return lambda event: not event.up and event.kind in DATA and json.loads(event.text).get("id") == id


def _says(message):
    return lambda event: not event.up and event.kind in DATA and json.loads(event.text) == message
