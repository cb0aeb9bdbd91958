"""What the check of 1.3, four bugs in one handler, looks at, in the order in which a learner reads it.

The feed stays with the check, which decides when there is a number.
"""

import asyncio
import itertools
import random
import time

from websockets import ConnectionClosed

from wslab.judge import NoAnswer, Wrong, behaviour
from wslab.trace import DATA

WAIT_S = 1.0
PAUSE_S = 0.02
BURST = 100  # so many numbers without a pause, so that a handler that sleeps does nothing else
SLOW_S = 0.15  # longer than a second client waits for a handler that lets others run, with a pause of 0.1 s or without
BLOCKED_S = 0.06  # a busy machine makes it wait as well, but then the loop does not stand still in the learner's lines
TRIES = 3


class Feed:
    """An async iterator of numbers: the first `at_once` of them come without a pause, the last waits for `gate`."""

    def __init__(self, numbers, at_once=0, gate=None):
        self._numbers, self._at_once, self._gate = list(numbers), at_once, gate
        self._taken = 0
        self._waited_in_vain = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        number = self._taken
        self._taken += 1
        if number >= len(self._numbers):
            raise StopAsyncIteration
        if number >= self._at_once:
            await asyncio.sleep(PAUSE_S)
        if self._gate is not None and number == len(self._numbers) - 1:
            try:
                await asyncio.wait_for(self._gate.wait(), WAIT_S)
            except TimeoutError:
                self._waited_in_vain = True
        return self._numbers[number]


def _numbers(count):
    """Numbers that nobody can guess, each larger than the one before."""
    return list(itertools.accumulate(random.choices(range(1, 90), k=count)))


@behaviour("1.3", "all numbers arrive, in order; when the feed ends, the connection is closed with 1000")
async def all_numbers(answer):
    numbers = _numbers(random.randint(4, 7))
    feed = Feed(numbers)
    async with answer.served(feed) as server:
        client = await server.connect()
        did = f"connected; the feed has the numbers {numbers}"
        for got, number in enumerate(numbers):
            try:
                message = await server.receive(client, did, expected=repr(str(number)))
            except NoAnswer as exc:
                raise await _nothing(server, client, feed, len(numbers), got, exc) from None
            if message != str(number):
                raise Wrong(
                    f"1.3 numbers: expected {str(number)!r}, got {message!r}. Send every number, in order, as "
                    "str(number).",
                    did=did,
                    expected=repr(str(number)),
                    saw=repr(message),
                    where=lambda event, message=message: not event.up and event.kind in DATA and event.text == message,
                )
        await _end(server, client, numbers)


async def _nothing(server, client, feed, count, got, exc):
    """What to say where number `got` of `count` did not come."""
    raised = await server.raised()
    if not got and raised.startswith("TypeError") and "required positional argument" in raised:
        line = (
            f"1.3 start: the server log says {raised} and the client got 1011. Since version 14 a handler is not given "
            "the path: it is called with the connection, here also with the feed; the path is ws.request.path."
        )
    elif client.close_code == 1000 and not raised:
        await asyncio.sleep(2 * PAUSE_S)  # a task that was left behind takes a number meanwhile
        why = (
            "while the task still wanted to send."
            if feed._taken > got
            else "before the feed had ended. Stay in the loop over the feed."
        )
        line = f"1.3 numbers: expected {count}, got {got}, then ConnectionClosedOK 1000: your handler returned {why}"
    else:
        return exc
    return NoAnswer(line, did=exc.did, expected=f"{count} numbers", saw=exc.saw, where=exc.where)


async def _end(server, client, numbers):
    did = f"received all {len(numbers)} numbers"
    try:
        message = await asyncio.wait_for(client.recv(), WAIT_S)
    except TimeoutError:
        raise NoAnswer(
            f"1.3 feed end: {WAIT_S:g} s after the last number the connection was still open. When the feed has ended, "
            "your handler should return.",
            did=did,
            expected="a close frame with 1000",
            saw="an open connection",
        ) from None
    except ConnectionClosed:
        if client.close_code != 1000:
            raise NoAnswer(
                f"1.3 feed end: the connection ended with {client.close_code} instead of 1000. Your handler raised "
                f"{await server.raised() or 'nothing'}.",
                did=did,
                expected="close code 1000",
                saw=f"close code {client.close_code}",
                where=lambda event: event.kind in ("close", "end") and not event.up,
            ) from None
        return
    raise Wrong(
        f"1.3 feed end: the feed had ended, and your handler still sent {message!r}.",
        did=did,
        expected="nothing more",
        saw=repr(message),
        where=lambda event: not event.up and event.kind in DATA and event.text == message,
    )


@behaviour("1.3", "a number is sent as soon as it is there")
async def liveness(answer):
    gate = asyncio.Event()
    numbers = _numbers(5)
    feed = Feed(numbers, gate=gate)
    async with answer.served(feed) as server:
        client = await server.connect()
        await server.receive(client, "connected", expected=repr(str(numbers[0])))
        if feed._waited_in_vain:
            raise Wrong(
                "1.3 liveness: the first number must arrive before the last is produced; saw all "
                f"{len(numbers)} at once.",
                did="let the feed wait before its last number",
                expected=f"{numbers[0]} meanwhile",
                saw="nothing until the feed had ended",
                where=lambda event: not event.up and event.kind in DATA,
            )
        gate.set()
        for number in numbers[1:]:
            await server.receive(client, "the feed went on", expected=repr(str(number)))


@behaviour("1.3", "a second client is served meanwhile")
async def second_client(answer):
    waits = []
    for _ in range(TRIES):
        async with answer.served(Feed(_numbers(1000), at_once=BURST)) as server:
            ada = await server.connect("ada")
            await server.receive(ada, "ada connected", expected="a number")
            began = time.monotonic()
            bob = await server.connect("bob")
            await server.receive(bob, "bob connected, too", expected="a number")
            waits.append(time.monotonic() - began)
        if waits[-1] < SLOW_S or (await answer.mistakes())["blocked_s"] < BLOCKED_S:
            return
    raise Wrong(
        f"1.3 second client: it waited {min(waits):.2f} s while the first slept. time.sleep stops every connection of "
        "the loop.",
        did="ada connected, and received a number; then bob connected",
        expected="a number for bob at once",
        saw=f"his first number after {min(waits):.2f} s",
        where=lambda event: not event.up and event.kind in DATA and event.connection == "bob",
    )


@behaviour("1.3", "the handler ends when its client has left, politely or not")
async def ends(answer):
    for leave, did in (_close, "closed the connection"), (_abort, "ended the connection without a close frame"):
        async with answer.served(Feed(_numbers(1000))) as server:
            client = await server.connect()
            await server.receive(client, "connected", expected="a number")
            await leave(client)
            if not await server.ended(within=0.5):
                raise Wrong(
                    "1.3 after close: your handler still runs 0.5 s after the client left. await ws.send(...) raises "
                    "ConnectionClosed then: let it end the loop.",
                    did=did,
                    expected="the handler returns",
                    saw="it still runs",
                    where=lambda event: event.up and event.kind in ("close", "end"),
                )


async def _close(client):
    await client.close()


async def _abort(client):
    client.transport.abort()
