"""What the check of 7.2, one bad message, looks at, in the order in which a learner reads it."""

import asyncio
import contextlib
import json
import random
import secrets
import time

from wslab.judge import Driver, NoAnswer, Wrong, behaviour
from wslab.trace import DATA, Kind

WAIT_S = 1.0
IN_A_ROW = 5
SPINNING = 1000  # reads of a connection that has ended
QUICK_S, TRIES = 0.15, 3  # a machine that stands still may delay a reply, but not three times in a row
BURST = 10  # less than max_queue (16): a library that has paused reading notices an end only after close_timeout
LEFT_S = 0.5

# Each works out to something, for whoever runs it as Python instead of working it out.
PROGRAMS = ("__import__('os').getpid()", "().__class__.__base__.__subclasses__().__len__()", "len('abc')")
HUGE = "9**9**6 - 9**9**6"


@behaviour("7.2", "a sum is answered with its id and its result")
async def sums(answer):
    async with answer.served() as server:
        client = await server.connect()
        for _ in range(2):
            await _ask_good(server, client, "7.2 sum")
        for body, result in (("7/2", 3.5), ("-(2+3)*4", -20), ("2**10", 1024)):
            number = _id()
            await server.send(client, _request(number, body))
            _judge_result(await _reply(server, client, body), number, body, result)


@behaviour("7.2", "a bad message gets an error reply, and the next good one is answered")
async def bad_and_good(answer):
    for bad in ("2+", '{"id": 3, "type":'):
        async with answer.served() as server:
            client = await server.connect()
            for time_ in ("first", "second"):
                await _ask_bad(server, client, bad, time_)
                await _ask_good(
                    server,
                    client,
                    "7.2 after an error: the next good message got no answer; your try ends the loop.",
                )


@behaviour("7.2", "five bad messages in a row end the connection with 1008, five in all do not")
async def in_a_row(answer):
    async with answer.served() as server:
        client = await server.connect()
        for number in range(IN_A_ROW - 1):
            await _ask_bad(server, client, "1/0", f"bad message {number + 1} in a row")
        await _ask_good(
            server, client, f"7.2 in a row: {IN_A_ROW - 1} bad messages, and the good one after them got no answer."
        )
        total = "7.2 in a row: closed after 5 bad messages in total, a good one came between."
        await _ask_bad(server, client, "1/0", "fifth", closed=total)
        await _ask_good(server, client, total)
        for number in range(IN_A_ROW):
            await _ask_bad(server, client, "1/0", f"bad message {number + 1} in a row")
        facts = {"did": f"sent {IN_A_ROW} bad messages in a row", "expected": f"{IN_A_ROW} error replies, then 1008"}
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.wait_closed(), WAIT_S)
        if client.close_code != 1008:
            raise Wrong(
                f"7.2 in a row: after {IN_A_ROW} bad messages in a row your handler did not close with 1008."
                if client.close_code is None
                else f"7.2 in a row: after {IN_A_ROW} bad messages in a row the close code was {client.close_code}, "
                "not 1008.",
                saw=f"close code {client.close_code}" if client.close_code else "an open connection",
                where=lambda event: event.kind is Kind.CLOSE,
                **facts,
            )


class Counted(Driver):
    """Serves the learner's handler on connections that count how often they are read."""

    async def open(self):
        self.reads = 0
        await self.serve(self.handle)

    async def handle(self, ws):
        recv = ws.recv

        def counted(*args, **named):
            self.reads += 1
            return recv(*args, **named)

        ws.recv = counted
        await self.answer(ws)

    def iterations(self):
        return self.reads


@behaviour("7.2", "your handler ends quietly when its client has left, even in the middle of a reply")
async def left(answer):
    for leave, how in ((_close, "left with answers still on their way"), (_cut, "was cut off")):
        async with answer.driven(Counted) as counted:
            server = counted.server
            client = await server.connect("ada")
            await _ask_good(server, client, "7.2 sum")
            await leave(server, client)
            facts = {"did": f"a client {how}", "where": lambda event: event.kind in (Kind.CLOSE, Kind.END)}
            if not await server.ended(within=LEFT_S):
                spun = await counted.do("iterations", within=4.0)
                if spun > SPINNING:
                    raise Wrong(
                        f"7.2 client left: your handler still spins, {spun} iterations.",
                        expected="the handler returns",
                        saw=f"{spun} times recv() on a connection that had ended",
                        **facts,
                    )
                raise Wrong(
                    f"7.2 client left: your handler still waits {LEFT_S:g} s later. Leave on ConnectionClosed.",
                    expected="the handler returns",
                    saw="it still runs",
                    **facts,
                )
            if raised := await server.raised():
                raise Wrong(
                    f"7.2 client left: your handler raised {raised}. A client may leave at any time, that is no error: "
                    "catch ConnectionClosed around the loop.",
                    expected="a quiet end",
                    saw=raised,
                    **facts,
                )


async def _close(server, client):
    """Leave at once, with replies under way: the server meets the close frame when it wants to send them."""
    for _ in range(BURST):
        await server.send(client, _request(_id(), "2+3"))
    await client.close()


async def _cut(server, client):
    server.tap.cut("ada")


@behaviour("7.2", "each error reply says what is wrong, to whom it concerns")
async def codes(answer):
    async with answer.served() as server:
        client = await server.connect()
        for message, number, code in _bad_messages():
            await server.send(client, message)
            shown = _shown(message)
            reply = await _reply(server, client, shown)
            saw = _error_code(reply, shown)
            facts = {"did": f"sent {shown}", "saw": json.dumps(reply), "where": _says(reply)}
            if saw != code:
                raise Wrong(
                    f"7.2 code: {shown} is answered with {saw!r}; the table says {code!r}.",
                    expected=repr(code),
                    **facts,
                )
            if reply.get("id") != number:
                raise Wrong(
                    f"7.2 id: the error reply has the id {json.dumps(reply.get('id'))}, the request had "
                    f"{json.dumps(number)}: its sender waits for ever.",
                    expected=f"the id {json.dumps(number)}",
                    **facts,
                )
            await _ask_good(server, client, f"7.2 code: after {shown} the next good message got no answer.")


@behaviour("7.2", "only sums are worked out, and no huge ones")
async def only_sums(answer):
    async with answer.served() as server:
        client = await server.connect()
        for body in PROGRAMS:
            reply = await _refused(server, client, body)
            if reply.get("ok"):
                raise Wrong(
                    f'7.2 input: "{body}" was executed.',
                    did=f'sent "body": "{body}"',
                    expected='the error "bad_request"',
                    saw=json.dumps(reply),
                    where=_says(reply),
                )
            await _ask_good(server, client, "7.2 input: after a refused body the next good message got no answer.")
        for _ in range(TRIES):
            began = time.monotonic()
            reply = await _refused(server, client, HUGE)
            seconds = time.monotonic() - began
            if reply.get("ok") or seconds < QUICK_S:
                break
        if reply.get("ok") or seconds >= QUICK_S:
            raise Wrong(
                f'7.2 huge exponent: "{HUGE}" was worked out, and for {seconds:.2f} s nobody else was served. '
                "Refuse what is too big before you begin.",
                did=f'sent "body": "{HUGE}"',
                expected='at once, the error "bad_request"',
                saw=f"after {seconds:.2f} s {json.dumps(reply)}",
                where=_says(reply),
            )


# Messages ------------------------------------------------------------------------------------------------------


def _id():
    return random.randrange(100, 999)


def _request(number, body):
    return json.dumps({"id": number, "type": "calc", "body": body})


def _bad_messages():
    """Bad messages, with the id and the code of the error that each should get."""
    numbers = random.sample(range(100, 999), 9)
    name = f"req-{secrets.token_hex(2)}"
    return [
        ('{"id": 3, "type": "calc", "bo', None, "bad_json"),
        (b"\xff", None, "bad_json"),
        *((text, None, "bad_message") for text in ("null", "3", "[]", '"calc"')),
        (json.dumps({"id": numbers[0], "body": "2+3"}), numbers[0], "bad_message"),
        (json.dumps({"id": numbers[1], "type": ["calc"], "body": "2+3"}), numbers[1], "bad_message"),
        (json.dumps({"id": numbers[2], "type": "sing", "body": "2+3"}), numbers[2], "unknown_type"),
        (_request(numbers[3], "1/0"), numbers[3], "bad_request"),
        (_request(numbers[4], "2+"), numbers[4], "bad_request"),
        (_request(numbers[5], "two"), numbers[5], "bad_request"),
        (_request(numbers[6], None), numbers[6], "bad_request"),
        (_request(numbers[7], 5), numbers[7], "bad_request"),
        (json.dumps({"id": numbers[8], "type": "calc"}), numbers[8], "bad_request"),
        (json.dumps({"type": "calc", "body": "1/0"}), None, "bad_request"),
        (_request(name, "1/0"), name, "bad_request"),
    ]


def _shown(message):
    return message if isinstance(message, str) else repr(message)


async def _ask_good(server, client, line):
    """Send a sum and compare the result; `line` is said if no answer comes."""
    first, second, number = random.randrange(10, 99), random.randrange(10, 99), _id()
    body = f"{first}+{second}"
    await server.send(client, _request(number, body))
    try:
        reply = await _reply(server, client, body)
    except NoAnswer as exc:
        if line == "7.2 sum":
            raise
        raise Wrong(line, did=exc.did, expected="the result", saw=exc.saw, where=exc.where) from None
    _judge_result(reply, number, body, first + second)


async def _ask_bad(server, client, bad, time_, closed=""):
    """Send something bad: a body, or half a message; the reply has to be an error."""
    message = bad if bad.startswith("{") else _request(_id(), bad)
    await server.send(client, message)
    try:
        reply = await _reply(server, client, message)
    except NoAnswer as exc:
        if client.close_code is None:
            line = "7.2 error reply: sent bad input, got nothing: the caller waits for ever."
        elif closed:
            line = closed
        elif time_ == "first":
            line = f"7.2 first error: saw close {client.close_code}; expected an error message."
        else:
            line = f"7.2 {time_}: saw close {client.close_code}; expected an error message."
        raise Wrong(line, did=f"sent {message}", expected="an error reply", saw=exc.saw, where=exc.where) from None
    _error_code(reply, message)


async def _refused(server, client, body):
    await server.send(client, _request(_id(), body))
    return await _reply(server, client, body)


async def _reply(server, client, shown):
    raw = await server.receive(client, f"sent {shown}", timeout=WAIT_S)
    with contextlib.suppress(ValueError):
        reply = json.loads(raw)
        if isinstance(reply, dict):
            return reply
    raise Wrong(
        f"7.2 reply: your server sent {raw!r}; a reply is a JSON object.",
        did=f"sent {shown}",
        expected='{"id": …, "ok": …, …}',
        saw=repr(raw),
        where=lambda event: not event.up and event.kind in DATA and event.text == raw,
    )


def _judge_result(reply, number, body, result):
    facts = {"did": f'sent "body": "{body}" with the id {number}', "saw": json.dumps(reply), "where": _says(reply)}
    expected = {"id": number, "ok": True, "body": result}
    if reply.get("id") != number:
        raise Wrong(
            f"7.2 one reply: expected the answer to {number}, got {json.dumps(reply)}. Every message gets exactly one "
            "reply, with its own id.",
            expected=json.dumps(expected),
            **facts,
        )
    if reply.get("ok") is not True or reply.get("body") != result:
        raise Wrong(f"7.2 sum: {body} is answered with {json.dumps(reply)}.", expected=json.dumps(expected), **facts)


def _error_code(reply, shown):
    error = reply.get("error")
    if reply.get("ok") is not False or not isinstance(error, dict) or not isinstance(error.get("message"), str):
        raise Wrong(
            f"7.2 error reply: {shown} is answered with {json.dumps(reply)}, which is no error reply.",
            did=f"sent {shown}",
            expected='{"id": …, "ok": false, "error": {"code": …, "message": …}}',
            saw=json.dumps(reply),
            where=_says(reply),
        )
    return error.get("code")


def _says(reply):
    """The arrow of `reply`."""

    def where(event):
        with contextlib.suppress(ValueError):
            return not event.up and event.kind in DATA and json.loads(event.text) == reply
        return False

    return where
