"""What the checks of lesson 2 look at, in the order in which a learner reads it."""

import asyncio
import json
import random
import secrets
import time

from websockets import connect

from wslab import serve
from wslab.judge import Wrong, behaviour
from wslab.recording import record
from wslab.trace import DATA

# 2.1 The timeline --------------------------------------------------------------------------------------------

NEAR_S = 0.010  # how far a prediction may be from the nominal sum or maximum
SLACK_S = 0.060  # how far a measurement may be from it before the run is repeated


@behaviour("2.1", "sequential: the order of the answers")
async def sequential_order(answer):
    async for delays, real in _measured(answer, "sequential"):
        order, _ = await _predicted(answer, delays, "sequential")
        if order != real:
            raise Wrong(
                f"2.1 sequential: the server answered {real}: one handler reads the next message only after "
                "finishing the "
                "last.",
                did=f"predict_timeline({delays}, 'sequential')",
                expected=f"order {real}",
                saw=f"order {order}",
                where=_answer(real, order),
            )


@behaviour("2.1", "concurrent: the order of the answers")
async def concurrent_order(answer):
    async for delays, real in _measured(answer, "concurrent"):
        order, _ = await _predicted(answer, delays, "concurrent")
        if order != real:
            raise Wrong(
                f"2.1 concurrent: for delays {delays} the server answered {real}, you said {order}. With a task "
                "per message "
                "the shortest finishes first.",
                did=f"predict_timeline({delays}, 'concurrent')",
                expected=f"order {real}",
                saw=f"order {order}",
                where=_answer(real, order),
            )


@behaviour("2.1", "sequential: the time until the last answer")
async def sequential_time(answer):
    for delays in _lists(answer):
        _, seconds = await _predicted(answer, delays, "sequential")
        if abs(seconds - sum(delays)) > NEAR_S:
            measured = await _seconds(answer, delays, "sequential")
            raise Wrong(
                f"2.1 sequential time: measured {measured:.2f} s = the sum of the delays.",
                did=f"predict_timeline({delays}, 'sequential')",
                expected=f"{sum(delays):.2f} s",
                saw=f"{seconds:.2f} s",
            )


@behaviour("2.1", "concurrent: the time until the last answer")
async def concurrent_time(answer):
    for delays in _lists(answer):
        _, seconds = await _predicted(answer, delays, "concurrent")
        if abs(seconds - max(delays)) > NEAR_S:
            measured = await _seconds(answer, delays, "concurrent")
            raise Wrong(
                f"2.1 concurrent time: measured {measured:.2f} s = the longest delay, you said {seconds:.2f} s.",
                did=f"predict_timeline({delays}, 'concurrent')",
                expected=f"{max(delays):.2f} s",
                saw=f"{seconds:.2f} s",
            )


@behaviour("2.1", "no requests at all")
async def nothing(answer):
    for mode in ("sequential", "concurrent"):
        did = f"predict_timeline([], {mode!r})"
        try:
            order, seconds = await _predicted(answer, [], mode)
        except Wrong:
            raise
        except Exception as exc:
            saw = f"{type(exc).__name__}: {exc}"
        else:
            if order == [] and seconds == 0:
                continue
            saw = f"({order}, {seconds})"
        raise Wrong(f"2.1 no requests: expected ([], 0.0), saw {saw}.", did=did, expected="([], 0.0)", saw=saw)


def _lists(answer):
    """Five lists of delays that belong to this check; any two delays of a list differ by 40 ms at least."""
    if not hasattr(answer, "delay_lists"):
        answer.delay_lists = []
        while len(answer.delay_lists) < 5:
            delays = random.sample([0.02, 0.06, 0.10, 0.14], random.choice([3, 4]))
            if delays != sorted(delays) and delays not in answer.delay_lists:
                answer.delay_lists.append(delays)
    return answer.delay_lists


async def _predicted(answer, delays, mode):
    given = list(delays)
    value = await answer.call(given, mode)
    did = f"predict_timeline({delays}, {mode!r})"
    try:
        order, seconds = value
        order, seconds = list(order), float(seconds)
    except (TypeError, ValueError):
        raise Wrong(
            f"2.1 result: your function returned {value!r}; it has to return two things: a list of ids and a "
            "number of seconds.",
            did=did,
            expected="(order, seconds)",
            saw=repr(value),
        ) from None
    if given != delays:
        raise Wrong(
            "2.1 result: your function changed the list that it was given: work on a copy, such as sorted(delays).",
            did=did,
            expected=f"delays still {delays}",
            saw=f"delays now {given}",
        )
    return order, seconds


async def _measured(answer, mode):
    """Yield each list with the order that a real server answered in; its recording is the one that a failure shows."""
    lists = _lists(answer)
    for delays, (order, _, recording) in zip(lists, await _run(lists, mode), strict=True):
        answer.recording = recording
        yield delays, order


async def _seconds(answer, delays, mode):
    """The measured time until the last answer; a run that the machine disturbed is repeated."""
    nominal = sum(delays) if mode == "sequential" else max(delays)
    for _ in range(4):
        [(_, seconds, answer.recording)] = await _run([delays], mode)
        if abs(seconds - nominal) <= SLACK_S:
            break
    return seconds


async def _run(lists, mode):
    """Run each list on a connection of its own to a real server; returns (order, seconds, recording) for each."""

    async def work(ws, message):
        await asyncio.sleep(json.loads(message)["delay"])
        await ws.send(json.dumps({"id": json.loads(message)["id"]}))

    async def sequential(ws):
        async for message in ws:
            await work(ws, message)

    async def concurrent(ws):
        async with asyncio.TaskGroup() as tasks:
            async for message in ws:
                tasks.create_task(work(ws, message))

    async def ask(name, delays):
        async with connect(f"{server.url}/?name={name}", compression=None, proxy=None) as ws:
            began = time.monotonic()
            for number, delay in enumerate(delays):
                await ws.send(json.dumps({"id": number, "delay": delay}))
            order = [json.loads(await ws.recv())["id"] for _ in delays]
            return order, time.monotonic() - began

    server = await serve(sequential if mode == "sequential" else concurrent, name=f"{mode.capitalize()} server")
    try:
        with record(server) as recording:
            names = [f"Client{number}" for number in range(1, len(lists) + 1)]
            results = await asyncio.gather(*map(ask, names, lists))
    finally:
        await server.stop()
    return [(*result, recording.only(name)) for name, result in zip(names, results, strict=True)]


def _answer(real, order):
    """The arrow of the first answer that came otherwise than foreseen."""
    wrong = next((i for i, number in enumerate(real) if i >= len(order) or order[i] != number), 0)

    def where(event):
        return not event.up and event.kind in DATA and json.loads(event.text)["id"] == real[wrong]

    return where


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
        _judge(await _next(server, client, {"id": 7, "body": "ab"}), {7: "ab"})


@behaviour("2.2", "the id comes back unchanged: a number, a text")
async def ids(answer):
    async with answer.served(double) as server:
        client = await server.connect()
        for number in (random.randrange(100, 999), f"req-{secrets.token_hex(2)}", "", 0):
            await _ask(server, client, number, "xy")
            _judge(await _next(server, client, {"id": number, "body": "xy"}), {number: "xy"})


@behaviour("2.2", "five requests on their way at once: each answer belongs to its own request")
async def pairing(answer):
    async with answer.served(double) as server:
        client = await server.connect()
        waiting = {number: secrets.token_hex(2) for number in random.sample(range(100, 999), 5)}
        for number, body in waiting.items():
            await _ask(server, client, number, body)
        for _ in range(5):
            reply = await _next(server, client, f"five requests with the ids {list(waiting)}")
            waiting.pop(_judge(reply, waiting))


@behaviour("2.2", "two clients with the same ids get their own answers")
async def two_clients(answer):
    async with answer.served(double) as server:
        ada, bob = await server.connect("ada"), await server.connect("bob")
        await _ask(server, ada, 1, "a")
        await _ask(server, bob, 1, "b")
        _judge(await _next(server, bob, {"id": 1, "body": "b"}), {1: "b"})
        _judge(await _next(server, ada, {"id": 1, "body": "a"}), {1: "a"})


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
        if server.raised():
            raise Wrong(
                f"2.2 after close: your handler raised {server.raised()} when the client left normally. Use "
                "'async for', or "
                "catch ConnectionClosed.",
                did="closed the connection with 1000",
                expected="a quiet end",
                saw=server.raised(),
            )


async def _ask(server, client, number, body):
    await server.send(client, json.dumps({"id": number, "body": body}))


async def _next(server, client, did):
    text = await server.receive(client, f"sent {json.dumps(did) if isinstance(did, dict) else did}")
    try:
        return json.loads(text)
    except ValueError:
        raise Wrong(
            f"2.2 format: the answer {text!r} is not JSON: send json.dumps({{...}}).",
            did=f"sent {did}",
            expected="a JSON object",
            saw=repr(text),
            where=lambda event: not event.up and event.kind in DATA,
        ) from None


def _judge(reply, waiting):
    """The id of the request that `reply` answers; `waiting` are the bodies by id."""
    facts = {"did": f"sent requests with the ids {list(waiting)}", "saw": json.dumps(reply)}

    def where(event):
        return not event.up and event.kind in DATA and _same(event.text, reply)

    if not isinstance(reply, dict) or "id" not in reply:
        raise Wrong(
            f'2.2 id: the answer {json.dumps(reply)} has no "id": the client cannot know which request it answers.',
            expected='an object with "id" and "body"',
            where=where,
            **facts,
        )
    number = reply["id"]
    if not any(type(number) is type(known) and number == known for known in waiting):
        sent = next(iter(waiting))
        raise Wrong(
            f"2.2 id: sent id {sent!r}, got {number!r}. Send back the client's id unchanged.",
            expected=f"one of the ids {list(waiting)}",
            where=where,
            **facts,
        )
    body = waiting[number]
    if reply.get("body") != {"double": body + body}:
        raise Wrong(
            f"2.2 body: the answer with id {number!r} has the body {reply.get('body')!r}; it should be what "
            f"process({body!r}) returned. Keep the id and the body of one request together.",
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
