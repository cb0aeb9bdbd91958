"""What the check of 2.1, the timeline, looks at, in the order in which a learner reads it."""

import asyncio
import json
import random
import time

from websockets import connect

from wslab import serve
from wslab.judge import Raised, Wrong, behaviour
from wslab.recording import record
from wslab.trace import DATA

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
        except Raised as exc:
            saw = str(exc)
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
    value = await answer.call(delays, mode)
    [given, _] = answer.given
    did = f"predict_timeline({delays}, {mode!r})"
    try:
        order, seconds = value
        order, seconds = list(order), float(seconds)
    except (TypeError, ValueError):
        raise Wrong(
            f"2.1 result: your function returned {value!r}; it has to return two things: a list of request numbers "
            "and the seconds.",
            did=did,
            expected="(order, seconds)",
            saw=repr(value),
        ) from None
    if any(type(number) is not int for number in order):
        raise Wrong(
            f"2.1 result: the order is a list of request numbers, such as {list(range(len(delays)))}; you returned "
            f"{order}.",
            did=did,
            expected="a list of request numbers",
            saw=repr(order),
        )
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
        await asyncio.sleep(json.loads(message)["work"])
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
                await ws.send(json.dumps({"id": number, "work": delay}))
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
