"""What the check of 4.4, coming back, looks at, in the order in which a learner reads it.

The check plays the server, which ends its connections as it likes, and the clock: the learner's client sleeps on it.
"""

import asyncio
import contextlib
import itertools
import json
import secrets
import time

from websockets import ConnectionClosed

from wslab import serve
from wslab.judge import Driver, NoAnswer, Raised, Wrong, behaviour
from wslab.recording import record
from wslab.trace import DATA, Kind

WAIT_S, LOOK_S = 3.0, 0.005
SLOW_S = 0.02
WITHIN_S = 15.0  # for a call that goes on until it is stopped
LIVE, AWAY, AGAIN, LAST = 5, 3, 2, 6  # events while connected, during a break, sent once more, on the last connection
BREAKS = {1: "closed with 1001", 2: "cut", 3: "closed with 1012"}
COUNT = len(BREAKS) * (LIVE + AWAY) + LAST
CROWD, SPREAD_MS = 100, 50  # spread over 99 ms by the luck that the check deals out
BASE_S, CAP_S = 0.1, 5.0
SIMULATED_S, MANY = 10.0, 40
MOST = 12  # connections in that time; the longest delays allow 7
AWAY_ENDS = [
    "TCP ended without an answer",
    "HTTP 503",
    "closed with 1011",
    "subscribed, then 1011",
    "an event, then 1011",
]
TRIES = 5
STOP_S = 2.0


class Client:
    """What the learner's client is given, and what becomes of it: events handed on, and seconds slept on `clock`."""

    def __init__(self, luck=1.0, until=float("inf")):
        self.luck, self.until = luck, until
        self.clock, self.slept, self.handed = 0.0, 0, []

    def on_event(self, message):
        self.handed.append(message)

    async def on_event_slowly(self, message):
        if message["seq"] % 3 == 1:  # whoever does not wait, hands the next one on first
            await asyncio.sleep(SLOW_S)
        self.handed.append(message)

    async def sleep(self, seconds):
        self.clock += float(seconds)
        self.slept += 1
        if self.clock >= self.until:
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    def rng(self):
        return self.luck

    @property
    def numbers(self):
        """The sequence numbers of what was handed on, in this order."""
        return [message.get("seq") if isinstance(message, dict) else None for message in self.handed]


class Desk:
    """The server: counts connections, reads what each subscribes to, and leaves the rest to `script`.

    `subscriptions` holds, by number of the connection, what was subscribed to; `times` when each was opened.
    """

    def __init__(self, script, client, subscribed=True):
        self.script, self.client, self.subscribed = script, client, subscribed
        self.times, self.subscriptions, self.log = [], {}, []
        self.topics = [f"topic-{secrets.token_hex(2)}" for _ in range(2)]

    async def handler(self, ws):
        self.times.append(self.client.clock)
        with contextlib.suppress(ConnectionClosed):
            subscription = await self._read(ws) if self.subscribed else None
            await self.script(self, ws, subscription)

    async def _read(self, ws):
        text, number = await ws.recv(), len(self.times)
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            message = json.loads(text)
            if isinstance(message, dict) and message.get("type") == "subscribe":
                return self.subscriptions.setdefault(number, message)
        self.subscriptions[number] = text
        return {}

    def event(self):
        """One more event for the log."""
        fields = {"topic": self.topics[0], "body": secrets.token_hex(2)}
        self.log.append({"type": "event", "seq": len(self.log) + 1} | fields)
        return self.log[-1]


async def _say(ws, message):
    await ws.send(json.dumps(message))


async def _until(ready, within=WAIT_S):
    """Wait until `ready()`, at most `within` seconds; returns whether it is."""
    deadline = time.monotonic() + within
    while not ready() and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_S)
    return ready()


@contextlib.asynccontextmanager
async def _following(answer, desk, slow=False, **options):
    """The learner's client at work; yields its call, the event that stops it, and the server."""
    client = desk.client
    server = await serve(desk.handler, name="Judge's server", close_timeout=0.3, **options)
    try:
        with record(server) as answer.recording:
            stop = await answer.event()
            on_event = client.on_event_slowly if slow else client.on_event
            given = {"stop": stop, "sleep": client.sleep, "rng": client.rng}
            desk.server = server
            call = answer.start(server.url, desk.topics, on_event, within=WITHIN_S, **given)
            yield call, stop
            call.cancel()
            await asyncio.wait([call])
            await asyncio.sleep(LOOK_S)
    finally:
        await server.stop()


def _outcome(call):
    """What has become of a call of the learner's function."""
    if not call.done():
        return "has not returned"
    exc = call.exception()
    return "returned" if exc is None else f"raised {exc}"


# Subscribing and coming back -----------------------------------------------------------------------------------


@behaviour("4.4", "it subscribes, and hands each event on as it is")
async def hands_on(answer):
    async def script(desk, ws, subscription):
        if subscription:
            await _say(ws, {"type": "subscribed", "topics": desk.topics})
            for _ in range(3):
                await _say(ws, desk.event())
        await ws.wait_closed()

    desk = Desk(script, Client())
    async with _following(answer, desk) as (call, _):
        await _until(lambda: call.done() or len(desk.client.handed) == 3 or {} in desk.subscriptions.values())
        await asyncio.sleep(LOOK_S)
        _judge_first(desk, call)


def _judge_first(desk, call):
    facts = {"did": f"follow(url, {desk.topics}, …)", "where": _up}
    expected = {"type": "subscribe", "topics": desk.topics, "after": 0}
    subscription = desk.subscriptions.get(1)
    if subscription is None:
        raise NoAnswer(
            f"4.4 subscribe: no message came on {'its connection' if desk.times else 'any connection'}; your client "
            f"{_outcome(call)}.",
            expected=json.dumps(expected),
            saw="no message",
            **facts,
        )
    topics = subscription.get("topics") if isinstance(subscription, dict) else None
    if topics != desk.topics:
        raise Wrong(
            f"4.4 subscribe: your client sent {_text(subscription)}; expected {json.dumps(expected)}.",
            expected=json.dumps(expected),
            saw=_text(subscription),
            **facts,
        )
    facts |= {"where": _down, "did": "sent three events", "expected": "each handed to on_event, as a dictionary"}
    if desk.client.handed != desk.log:
        saw = _text(desk.client.handed) if desk.client.handed else "no call of on_event"
        raise Wrong(f"4.4 events: on_event was given {saw}; expected {_text(desk.log)}.", saw=saw, **facts)
    if call.done():
        raise Wrong(
            f"4.4 events: your client {_outcome(call)} while its connection was open.", saw=_outcome(call), **facts
        )


@behaviour("4.4", "three breaks: it comes back, and every event is handed on once, in order")
async def breaks(answer):
    desk = Desk(_breaking, Client())
    async with _following(answer, desk, slow=True) as (call, _):
        for number in range(1, len(BREAKS) + 2):
            if not await _until(lambda number=number: call.done() or len(desk.times) >= number):
                break
            await _until(lambda number=number: call.done() or number in desk.subscriptions)
            if number not in desk.subscriptions:
                break
            await _until(lambda number=number: call.done() or len(desk.times) > number or COUNT in desk.client.numbers)
        await asyncio.sleep(2 * SLOW_S)
        numbers = desk.client.numbers
        _judge_back(desk, call, number, numbers)
        _judge_numbers(desk, numbers)
        _judge_after(desk)


async def _breaking(desk, ws, subscription):
    """What one connection brings: what was missed, something new, and, but for the last one, a break."""
    number = len(desk.times)
    if number % 2:
        await _say(ws, {"type": "subscribed", "topics": desk.topics})
    after = subscription.get("after")
    missed = desk.log[max(0, after - AGAIN) :] if isinstance(after, int) else []  # who names none, hears what is new
    for event in missed:
        await _say(ws, event)
    for _ in range(LIVE if number in BREAKS else LAST):
        await _say(ws, desk.event())
    if number not in BREAKS:
        return await ws.wait_closed()
    last = desk.log[-1]["seq"]
    await _until(lambda: last in desk.client.numbers)
    for _ in range(AWAY):
        desk.event()
    if BREAKS[number] == "cut":
        desk.server.tap.cut()
    else:
        await ws.close(int(BREAKS[number].split()[-1]))


def _judge_back(desk, call, number, numbers):
    """Has the client come back after each break, and subscribed? `number` is the connection that was waited for."""
    end = BREAKS.get(number - 1 if number > len(desk.times) else len(desk.times), "")
    facts = {"did": f"{COUNT} events, three breaks", "where": _ends, "expected": "a new connection"}
    if call.done() and call.exception() is not None:
        raise Wrong(
            f"4.4 after cut {len(desk.times)}: the connection was {end or 'open'}, and your client {_outcome(call)}.",
            saw=_outcome(call),
            **facts,
        )
    if call.done() and end == "closed with 1001":
        raise Wrong(
            '4.4 graceful restart: your client stopped after 1001. "async for" ends quietly on 1000/1001: that is not '
            "the end of the job.",
            saw="follow returned",
            **facts,
        )
    if call.done():
        raise Wrong(
            f"4.4 after cut {len(desk.times)}: the connection was {end}, and your client returned. Only stop or a "
            "refusal ends it.",
            saw="follow returned",
            **facts,
        )
    if len(desk.times) < number:
        raise NoAnswer(
            f"4.4 after cut {number - 1}: the connection was {end}, and your client did not come back. Does it wait "
            "with the sleep that it is given?",
            saw="no new connection",
            **facts,
        )
    if number not in desk.subscriptions:
        missing = [event["seq"] for event in desk.log if event["seq"] not in numbers]
        raise Wrong(
            f"4.4 after cut {number - 1}: connected again but no subscribe seen; events {missing[0]}..{missing[-1]} "
            "never arrived.",
            did=facts["did"],
            expected="a subscribe on each connection",
            saw=f"none on connection {number}",
            where=lambda event: event.kind is Kind.RESPONSE and event.life == number - 1,
        )


def _judge_numbers(desk, numbers):
    facts = {"did": f"{COUNT} events, three breaks", "expected": f"1 to {COUNT}", "saw": ", ".join(map(str, numbers))}
    missing = sorted(set(range(1, COUNT + 1)) - set(numbers))
    if missing:
        size = next((i for i, (a, b) in enumerate(itertools.pairwise(missing), 1) if b != a + 1), len(missing))
        raise Wrong(
            f"4.4 gap: events {missing[0]}..{missing[size - 1]}, published during the break, are missing.",
            where=lambda event: event.up and event.kind in DATA and event.life > 0,
            **facts,
        )
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        again = f'"seq": {twice},'
        raise Wrong(
            f"4.4 duplicate: event {twice} was delivered twice.",
            where=lambda event: _down(event) and event.life > 0 and again in event.text,
            **facts,
        )
    if numbers != sorted(numbers):
        first = next(a for a, b in itertools.pairwise(numbers) if b < a)
        raise Wrong(
            f"4.4 order: event {first} was handed on before an earlier one: wait for on_event, where it is a coroutine "
            "function.",
            where=_down,
            **facts,
        )


def _judge_after(desk):
    counts = [0] + [number * (LIVE + AWAY) - AWAY for number in BREAKS]
    for number, expected in enumerate(counts, 1):
        after = desk.subscriptions[number].get("after")
        if after != expected:
            raise Wrong(
                f"4.4 after: on connection {number} your client asked for what comes after {after!r}, but the last "
                f"event that it had handed on was {expected}.",
                did=f"{COUNT} events, three breaks",
                expected=f'"after": {expected}',
                saw=_text(desk.subscriptions[number]),
                where=lambda event, number=number: _up(event) and event.life == number - 1,
            )


# How long it waits ---------------------------------------------------------------------------------------------


@behaviour("4.4", "a hundred clients do not come back all at once")
async def crowd(answer):
    clients = {f"topic-{number}": Client(luck=(number + 0.5) / CROWD) for number in range(CROWD)}
    met, back = set(), {}

    async def handler(ws):
        with contextlib.suppress(ConnectionClosed):
            [topic] = json.loads(await ws.recv())["topics"]
            if topic not in met:
                met.add(topic)
                return await ws.close(1012)
            back.setdefault(topic, clients[topic].clock)
            await ws.wait_closed()

    server = await serve(handler, name="Judge's server", close_timeout=0.3, tap=False)
    try:
        stop = await answer.event()
        for number, (topic, client) in enumerate(clients.items(), 1):
            given = {"stop": stop, "sleep": client.sleep, "rng": client.rng}
            answer.start(server.url, [topic], client.on_event, within=WITHIN_S, **given)
            # A few at a time, so that the learner's loop does not stand still.
            if number % 10 == 0 and not await _until(lambda number=number: len(back) == number):
                break
        await stop.set()
    finally:
        await server.stop()
    waits = [seconds for topic, seconds in back.items() if clients[topic].slept]  # who does not sleep is judged below
    if len(waits) == CROWD and (spread := 1000 * (max(waits) - min(waits))) < SPREAD_MS:
        raise Wrong(
            f"4.4 storm: {CROWD} clients reconnected within {spread:.0f} ms of each other.",
            did=f"{CROWD} clients, all closed at the same moment",
            expected=f"spread over {1000 * BASE_S:.0f} ms, as rng says",
            saw=f"waits from {min(waits):.3f} s to {max(waits):.3f} s",
        )


class Delays(Driver):
    """The learner's generator, with luck that the check deals out."""

    def take(self, lucks, number, **options):
        lucks = itertools.cycle(lucks)
        return list(itertools.islice(self.answers["delays"](lambda: next(lucks), **options), number))


@behaviour("4.4", "delays: twice as long each time, up to the cap, times rng()")
async def doubling(answer):
    async with answer.driven(Delays) as it:
        for lucks, options in (([1.0], {}), ([0.5, 0.25, 1.0], {}), ([0.5], {"base": 1, "cap": 3.0})):
            base, cap = options.get("base", BASE_S), options.get("cap", CAP_S)
            limits = [min(cap, base * 2**number) for number in range(9)]
            expected = [luck * limit for luck, limit in zip(itertools.cycle(lucks), limits, strict=False)]
            given = "".join(f", {name}={value}" for name, value in options.items())
            did = f"delays(rng{given}), rng() being {', '.join(map(str, lucks))} …"
            found = await it.do("take", lucks, len(limits), what="delays", **options)
            if not _close(found, expected):
                raise Wrong(
                    f"4.4 delays: {did}: expected {_seconds(expected)}, saw {_seconds(found)}.",
                    did=did,
                    expected=_seconds(expected),
                    saw=_seconds(found),
                )


@behaviour("4.4", "a server that accepts, and then closes, is asked less and less often")
async def accept_then_close(answer):
    async def script(desk, ws, subscription):
        await ws.close(1013)

    desk = Desk(script, Client(until=SIMULATED_S), subscribed=False)
    began = time.monotonic()
    async with _following(answer, desk) as (call, _):
        await _until(lambda: call.done() or desk.client.clock >= SIMULATED_S or len(desk.times) > MANY, WAIT_S)
        found, seconds = list(desk.times), desk.client.clock + time.monotonic() - began
    if len(found) > MOST:
        raise Wrong(
            f"4.4 accept-then-close: {len(found)} connections in {seconds:.1f} s. A successful handshake does not yet "
            "mean success.",
            did="accepted each connection and closed it with 1013",
            expected=f"at most {MOST} in {SIMULATED_S:.0f} s",
            saw=str(len(found)),
            where=lambda event: event.kind is Kind.RESPONSE and event.life > 0,
        )
    waits = [min(CAP_S, BASE_S * 2**number) for number in range(6)]
    _judge_waits(call, found, waits, ["accepted each connection and closed it with 1013"])


@behaviour("4.4", "what is no refusal is tried again; after a connection that worked, waiting begins anew")
async def begins_anew(answer):
    times = []

    def door(connection, request):
        times.append(desk.client.clock)
        if len(times) == 1:
            connection.transport.abort()
        if len(times) == 2:
            return connection.respond(503, "not yet\n")

    async def script(desk, ws, subscription):
        if len(times) == 4:
            await _say(ws, {"type": "subscribed", "topics": desk.topics})
        if len(times) == 5:
            await _say(ws, desk.event())
        if len(times) < 6:
            return await ws.close(1011)
        await ws.wait_closed()

    desk = Desk(script, Client())
    async with _following(answer, desk, process_request=door) as (call, _):
        await _until(lambda: call.done() or len(times) >= 6, WAIT_S)
        waits = [BASE_S, 2 * BASE_S, 4 * BASE_S, BASE_S, BASE_S]
        _judge_waits(call, list(times), waits, AWAY_ENDS)


def _judge_waits(call, times, expected, ends):
    found = [after - before for before, after in itertools.pairwise(times)]
    facts = {"did": "; ".join(ends), "expected": f"waits of {_seconds(expected)}", "where": _ends}
    if call.done() and not call.cancelled():
        raise Wrong(
            f"4.4 away: {ends[min(len(times), len(ends)) - 1]}, and your client {_outcome(call)}. Only stop or a "
            "refusal ends it.",
            saw=_outcome(call),
            **facts,
        )
    if len(found) < len(expected):
        raise NoAnswer(
            f"4.4 sleep: {len(times)} attempts, and then no more. Wait with await sleep(...), the sleep that you are "
            "given: the check holds the clock.",
            saw=f"waits of {_seconds(found)}",
            **facts,
        )
    if not _close(found, expected):
        raise Wrong(
            f"4.4 backoff: your client waited {_seconds(found)} between its attempts; expected {_seconds(expected)}, "
            "as rng() is 1.0. Double the wait after each attempt; begin anew after an event or a subscribed.",
            saw=f"waits of {_seconds(found)}",
            **facts,
        )


# When it stops -------------------------------------------------------------------------------------------------


@behaviour("4.4", "a refusal ends it")
async def refused(answer):
    for how in (4401, 401, 403, 4403):
        tries = itertools.count(1)
        seen = []

        def door(connection, request, how=how, tries=tries, seen=seen):
            seen.append(next(tries))
            return connection.respond(how, "who are you?\n") if how < 1000 else None

        async def script(desk, ws, subscription, how=how):
            await ws.close(how)

        desk = Desk(script, Client(), subscribed=False)
        async with _following(answer, desk, process_request=door) as (call, _):
            await _until(lambda seen=seen, call=call: call.done() or len(seen) >= TRIES)
            facts = {
                "did": f"refused with {'HTTP' if how < 1000 else 'close code'} {how}",
                "expected": "one attempt, and follow returns",
                "saw": f"{len(seen)} attempts; follow {_outcome(call)}",
                "where": lambda event: event.kind in (Kind.CLOSE, Kind.RESPONSE) and not event.up and event.life > 0,
            }
        if len(seen) > 1:
            raise Wrong(
                f"4.4 unauthorised: tried {len(seen)} times with a token that is refused; ask for a new one instead.",
                **facts,
            )
        if call.cancelled() or call.exception() is not None:
            raise Wrong(
                f"4.4 refused: after {how} your client {facts['saw'].partition('; follow ')[2]}; it should return.",
                **facts,
            )


@behaviour("4.4", "stop ends it at once, whatever it waits for")
async def stops(answer):
    async def stay(desk, ws, subscription):
        await _say(ws, {"type": "subscribed", "topics": desk.topics})
        await ws.wait_closed()

    async def end(desk, ws, subscription):
        await ws.close(1012)

    async def hold(connection, request):
        desk.times.append(0.0)
        await asyncio.sleep(WITHIN_S)

    waits = {"the next message": (stay, {}), "the end of a delay": (end, {})}
    waits["the answer to its GET"] = (stay, {"process_request": hold})
    for what, (script, options) in waits.items():
        before = await answer.tasks()
        desk = Desk(script, Client(until=0.0))
        async with _following(answer, desk, **options) as (call, stop):
            await _until(lambda desk=desk, script=script: desk.client.slept if script is end else desk.times)
            await asyncio.sleep(2 * LOOK_S)
            await stop.set()
            await _until(call.done, STOP_S)
            saw = _outcome(call)
            left = await answer.tasks(after=0.1) - before if call.done() else frozenset()
        facts = {"did": f"stop.set() while your client waits for {what}", "expected": "follow returns", "saw": saw}
        if saw == "has not returned":
            raise NoAnswer(
                f"4.4 stop: your client waits for {what}, and {STOP_S:g} s after stop.set() it still does.", **facts
            )
        if saw != "returned":
            raise Wrong(f"4.4 stop: after stop.set() your client {saw}; it should return.", **facts)
        if left:
            raise Wrong(
                f"4.4 stop: follow has returned, and {len(left)} of your tasks are still there. Cancel them, and await "
                "them.",
                **(facts | {"saw": f"{len(left)} at work"}),
            )


# Words and arrows ----------------------------------------------------------------------------------------------


def _close(found, expected):
    try:
        pairs = zip(found, expected, strict=True)
        return all(abs(seconds - wanted) < 1e-3 for seconds, wanted in pairs)
    except (TypeError, ValueError):
        return False


def _seconds(values):
    return ", ".join(f"{value:g}" if isinstance(value, int | float) else repr(value) for value in values)


def _text(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def _up(event):
    return event.up and event.kind in DATA


def _down(event):
    return not event.up and event.kind in DATA


def _ends(event):
    return not event.up and event.kind in (Kind.CLOSE, Kind.END)
