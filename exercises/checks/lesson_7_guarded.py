"""What the check of 7.3, respond, log, notify, looks at, in the order in which a learner reads it."""

import asyncio
import contextlib
import gc
import json
import logging
import random
import secrets
import time
from collections import Counter

from wslab.judge import Driver, NoAnswer, Wrong, behaviour
from wslab.trace import DATA, Kind

WAIT_S = 1.0
NOTIFY_S = 1.0  # how long the slow notifier takes
PROMPT_S, TRIES = 0.15, 3  # a machine that stands still may delay a reply, but not three times in a row
GATHER_S = 1.0  # how long errors may be gathered at most
MANY, OTHERS = 100, 3
PAUSE_S, MOST_TORN = 0.1, 10  # so long a pause may end the gathering, so often at most
GONE_S = 0.1  # until the server has noticed that its client was cut off
KINDS = (RuntimeError, KeyError, ZeroDivisionError, TypeError)


class Shop(Driver):
    """Serves the learner's handler to clients that have logged in; hears what the loop complains about."""

    async def open(self, process, log, notify):
        self.heard = []
        loop = asyncio.get_running_loop()
        self.former = loop.get_exception_handler()
        loop.set_exception_handler(lambda loop, context: self.heard.append(str(context.get("message"))))

        async def handle(ws):
            ws.user = ws.request.path.partition("name=")[2]
            await self.answer(ws, process, log, notify)

        await self.serve(handle)

    async def complaints(self):
        gc.collect()  # an exception that nobody looked at is told when its task is collected
        await asyncio.sleep(0)
        return self.heard

    async def close(self):
        asyncio.get_running_loop().set_exception_handler(self.former)


class Office(logging.Handler):
    """Process, log and notifier of the check's own making: what happens here is seen here."""

    def __init__(self, notify_s=0.0, notifier_raises=False):
        super().__init__()
        self.log = logging.Logger("shop", logging.DEBUG)
        self.log.addHandler(self)
        self.records, self.told, self.failed = [], [], Counter()
        self.detail = f"password-{secrets.token_hex(4)}"
        self.gate = asyncio.Event()
        self._notify_s, self._raises = notify_s, notifier_raises

    async def process(self, message):
        match message["type"]:
            case "wait":
                await self.gate.wait()
                raise TimeoutError(self.detail)
            case "mistake":
                raise ValueError("there is no such thing")
            case "double":
                return {"double": message["body"] * 2}
        kind = next(kind for kind in KINDS if kind.__name__ == message["type"].removeprefix("break-"))
        self.failed[kind.__name__] += 1
        raise kind(f"no connection to the database with {self.detail}")

    async def notify(self, summary):
        self.told.append(summary)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.gate.wait(), self._notify_s)
        if self._raises:
            raise ConnectionError("no admin is connected")

    def emit(self, record):
        self.records.append(record)

    @property
    def lines(self):
        """What the log says: the text of each record, its traceback and its extras."""
        return [_line(record) for record in self.records]

    @property
    def counted(self):
        """How many incidents the notifications tell of, by class."""
        counted = Counter()
        for told in self.told:
            counted[_summary(told)["error"]] += _summary(told)["count"]
        return counted

    def about(self, kind):
        """The notifications about errors of this class."""
        return [summary for summary in self.told if _summary(summary)["error"] == kind.__name__]


@contextlib.asynccontextmanager
async def _open(answer, office):
    """The learner's handler at work for `office`, with a client that has logged in."""
    user = f"user{secrets.token_hex(2)}"
    async with answer.driven(Shop, office.process, office.log, office.notify) as shop:
        try:
            yield shop, await shop.server.connect(user), user
        finally:
            office.gate.set()  # whatever still waits may end now
        await _until(lambda: office.counted >= office.failed, GATHER_S)  # none of it is told to the next office


@behaviour("7.3", "success: the reply carries the result")
async def success(answer):
    async with _open(answer, Office()) as (shop, client, _):
        for _ in range(2):
            await _good(shop, client, "sent a good request")


@behaviour("7.3", "the error reply comes at once, however slow the notifier is, and the next request works")
async def prompt(answer):
    for _ in range(TRIES):
        office = Office(notify_s=NOTIFY_S)
        async with _open(answer, office) as (shop, client, _):
            began = time.monotonic()
            await _incident(shop, client, random.choice(KINDS), within=NOTIFY_S + GATHER_S)
            seconds = time.monotonic() - began
            if seconds > PROMPT_S:
                continue
            await _good(shop, client, "sent a good request after one that failed")
            return
    raise Wrong(
        f"7.3 reply: {seconds:.2f} s; the notifier must not be in the reply's way.",
        did=f"sent a request that fails; the notifier takes {NOTIFY_S:g} s",
        expected="an error reply at once",
        saw=f"an error reply after {seconds:.2f} s",
        where=_down,
    )


@behaviour("7.3", "nothing that is not theirs reaches the client or the log")
async def leaks(answer):
    office, kind, token = Office(), random.choice(KINDS), f"token-{secrets.token_hex(4)}"
    async with _open(answer, office) as (shop, client, _):
        reply = await _incident(shop, client, kind, token=token)
        text = json.dumps(reply)
        for secret in (office.detail, "Traceback", token):
            if secret in text:
                _leak(secret, "reply", text)
        await _until(lambda: office.records)
        await _told(office, kind)
        for place, lines, hidden in (
            ("log", office.lines, [token]),
            ("notification", map(str, office.told), [token, office.detail]),
        ):
            for line in lines:
                for secret in hidden:
                    if secret in line:
                        _leak(secret, place, line)


def _leak(secret, place, text):
    raise Wrong(
        f'7.3 leak: "{secret}" appears in the {place}.',
        did="sent a request with a token, whose work fails",
        expected=f"a {place} without it",
        saw=text[:300],
        where=_down if place == "reply" else None,
    )


@behaviour("7.3", "one log record with the error_id of the reply, the user, the message type and the traceback")
async def log(answer):
    office = Office()
    async with _open(answer, office) as (shop, client, user):
        ids = []
        for kind in random.sample(KINDS, 2):
            office.records.clear()
            reply = await _incident(shop, client, kind)
            ids.append(reply["error"]["error_id"])
            await _until(lambda: any(record.levelno >= logging.ERROR for record in office.records))
            _judge_record(office, ids[-1], user, kind)
        if ids[0] == ids[1]:
            raise Wrong(
                f"7.3 error_id: two errors have the same error_id {ids[0]}: each needs its own.",
                did="sent two requests that fail",
                expected="two ids",
                saw=str(ids),
                where=_down,
            )


def _judge_record(office, number, user, kind):
    facts = {"did": f"sent a request that fails with {kind.__name__}", "where": _down}
    errors = [record for record in office.records if record.levelno >= logging.ERROR]
    if not errors:
        raise NoAnswer(
            "7.3 log: there is no log record of the level ERROR: nobody will ever know what happened.",
            expected="one record",
            saw=f"{len(office.records)} records of other levels" if office.records else "an empty log",
            **facts,
        )
    found = [record for record in errors if str(number) in _line(record)]
    if not found:
        raise Wrong(
            f"7.3 correlation: reply says {number}, log says {errors[0].getMessage()}: support cannot find it.",
            expected=f"{number} in the log",
            saw=errors[0].getMessage(),
            **facts,
        )
    if len(found) > 1:
        raise Wrong(
            f"7.3 log: {len(found)} records for one error; one record should hold everything.",
            expected="one record",
            saw=str([record.getMessage() for record in found]),
            **facts,
        )
    wanted = {"the user": user, "the message type": f"break-{kind.__name__}", "the traceback": "Traceback"}
    for what, text in wanted.items():
        if text not in _line(found[0]):
            raise Wrong(f"7.3 log: the record does not hold {what}.", expected=text, saw=found[0].getMessage(), **facts)


@behaviour("7.3", "a notifier that fails harms nobody, and its failure is looked at")
async def failing_notifier(answer):
    office = Office(notifier_raises=True)
    async with _open(answer, office) as (shop, client, _):
        kind = random.choice(KINDS)
        await _incident(shop, client, kind)
        await _told(office, kind)
        await asyncio.sleep(0.05)  # now the notifier has failed
        heard = [text for text in await shop.do("complaints") if "never retrieved" in text]
        await _good(shop, client, "sent a good request after the notifier had failed")
        await client.close()
        await shop.server.ended(within=WAIT_S)
        heard += [text for text in await shop.do("complaints") if "never retrieved" in text]
        if heard:
            raise Wrong(
                '7.3 notifier: "Task exception was never retrieved"; keep and observe the task.',
                did="sent a request that fails; the notifier raised ConnectionError",
                expected="a task whose exception is looked at",
                saw=heard[0],
            )


@behaviour("7.3", "the caller's own mistake is no incident")
async def mistakes(answer):
    office = Office()
    async with _open(answer, office) as (shop, client, _):
        reply = await _ask(shop, client, "mistake")
        if _code(reply) != "bad_request":
            raise Wrong(
                f"7.3 mistake: ValueError is the caller's mistake: the code of its error reply is bad_request, not "
                f"{_code(reply)!r}.",
                did="sent a request that fails with ValueError",
                expected='the error "bad_request"',
                saw=json.dumps(reply),
                where=_down,
            )
        await _until(lambda: any(record.levelno == logging.INFO for record in office.records))
        if max((record.levelno for record in office.records), default=0) != logging.INFO:
            levels = [record.levelname for record in office.records]
            raise Wrong(
                "7.3 mistake: ValueError belongs into the log at the level INFO, not at "
                f"{levels[-1] if levels else 'none'}.",
                did="sent a request that fails with ValueError",
                expected="INFO",
                saw=str(levels),
                where=_down,
            )
        kind = random.choice(KINDS)  # its notification comes when one about the mistake has had its time, too
        await _incident(shop, client, kind)
        await _told(office, kind)
        if office.about(ValueError):
            raise Wrong(
                "7.3 noise: ValueError is the caller's mistake, not an incident.",
                did="sent a request that fails with ValueError",
                expected="no notification about it",
                saw=str(office.about(ValueError)[0]),
            )


@behaviour("7.3", "100 equal errors make one notification, with their number")
async def flood(answer):
    office = Office()
    async with _open(answer, office) as (shop, client, _):
        many, few = random.sample(KINDS, 2)
        began = time.monotonic()
        for kind in random.sample([many] * MANY + [few] * OTHERS, MANY + OTHERS):
            await shop.server.send(client, _request(f"break-{kind.__name__}"))
        did = f"sent {MANY} requests that fail with {many.__name__}, and {OTHERS} with {few.__name__}"
        for _ in range(MANY + OTHERS):
            await _reply(shop, client, did)
        torn = min(int((time.monotonic() - began) / PAUSE_S), MOST_TORN)  # a slow machine may make pauses of its own
        await _until(lambda: office.counted >= office.failed, 2 * GATHER_S)
        for kind, number in ((many, MANY), (few, OTHERS)):
            found, count = office.about(kind), office.counted[kind.__name__]
            facts = {"did": did, "expected": f"one notification: {number} times {kind.__name__}", "saw": str(found[:3])}
            if not found:
                raise NoAnswer(f"7.3 notification: nobody was told of {kind.__name__}.", **facts)
            if len(found) > 1 + torn:
                raise Wrong(f"7.3 flood: {len(found)} notifications for {number} equal errors.", **facts)
            if count != number:
                raise Wrong(f"7.3 count: the notification says {count}, there were {number} errors.", **facts)


@behaviour("7.3", "the client has gone before its error reply: the log is written all the same")
async def peer_gone(answer):
    office = Office()
    async with _open(answer, office) as (shop, client, user):
        await shop.server.send(client, _request("wait"))
        await asyncio.sleep(GONE_S)  # the work has begun
        shop.server.tap.cut(user)
        await client.wait_closed()
        await asyncio.sleep(GONE_S)
        office.gate.set()
        await _until(lambda: any(office.detail in line for line in office.lines))
        facts = {"did": "cut the client off, then let the work fail", "where": lambda event: event.kind is Kind.END}
        if not any(office.detail in line for line in office.lines):
            raise Wrong(
                "7.3 peer gone: nothing was logged because send raised first.",
                expected="a log record of the error",
                saw=f"{len(office.records)} records, none of it",
                **facts,
            )
        await shop.server.ended(within=2 * GATHER_S)
        if raised := await shop.server.raised():
            raise Wrong(
                f"7.3 peer gone: your handler raised {raised}. A client may leave at any time: catch ConnectionClosed "
                "around the loop.",
                expected="a quiet end",
                saw=raised,
                **facts,
            )


@behaviour("7.3", "nothing goes on when the client has left")
async def clean_up(answer):
    office = Office()
    before = await answer.tasks()
    async with _open(answer, office) as (shop, client, _):
        await _incident(shop, client, random.choice(KINDS))
        await client.close()
        deadline = time.monotonic() + 2 * GATHER_S
        while left := await answer.tasks(after=0.1) - before:
            if time.monotonic() > deadline:
                break
        if left:
            raise Wrong(
                f"7.3 clean-up: {2 * GATHER_S:g} s after the client has left, tasks of yours still run. At the end, "
                "await or cancel what is pending.",
                did="sent a request that fails, then closed",
                expected="no task left",
                saw=f"{len(left)} at work",
                where=lambda event: event.kind is Kind.CLOSE,
            )


# Requests and replies ------------------------------------------------------------------------------------------


def _request(kind, token=""):
    body = secrets.token_hex(2)
    message = {"id": random.randrange(100, 999), "type": kind, "body": body}
    return json.dumps(message | ({"token": token} if token else {}))


async def _ask(shop, client, kind, token="", within=WAIT_S):
    """Send a request of this type; returns its reply, whose id is judged."""
    request = _request(kind, token)
    await shop.server.send(client, request)
    reply = await _reply(shop, client, f"sent {request}", within)
    if reply.get("id") != json.loads(request)["id"]:
        raise Wrong(
            f"7.3 id: the reply {json.dumps(reply)} does not carry the id of its request.",
            did=f"sent {request}",
            expected=f'"id": {json.loads(request)["id"]}',
            saw=json.dumps(reply),
            where=_down,
        )
    return reply


async def _reply(shop, client, did, within=WAIT_S):
    raw = await shop.server.receive(client, did, timeout=within)
    with contextlib.suppress(ValueError):
        reply = json.loads(raw)
        if isinstance(reply, dict):
            return reply
    raise Wrong(f"7.3 reply: your server sent {raw!r}; a reply is a JSON object.", did=did, saw=repr(raw), where=_down)


async def _good(shop, client, did):
    reply = await _ask(shop, client, "double")
    body = reply.get("body")
    if reply.get("ok") is not True or not isinstance(body, dict) or "double" not in body:
        raise Wrong(
            f"7.3 success: the reply {json.dumps(reply)} does not carry what process returned.",
            did=did,
            expected='{"id": …, "ok": true, "body": {"double": …}}',
            saw=json.dumps(reply),
            where=_down,
        )


async def _incident(shop, client, kind, token="", within=WAIT_S):
    """Let the work fail; returns the error reply, whose shape is judged."""
    reply = await _ask(shop, client, f"break-{kind.__name__}", token, within)
    error = reply.get("error")
    if reply.get("ok") is not False or _code(reply) != "internal" or not error.get("error_id"):
        raise Wrong(
            f"7.3 error reply: {json.dumps(reply)} is not the reply to an incident.",
            did=f"sent a request that fails with {kind.__name__}",
            expected='{"id": …, "ok": false, "error": {"code": "internal", "message": …, "error_id": …}}',
            saw=json.dumps(reply),
            where=_down,
        )
    return reply


def _code(reply):
    error = reply.get("error")
    return error.get("code") if isinstance(error, dict) else None


def _line(record):
    extras = {name: value for name, value in vars(record).items() if name not in ("msg", "exc_text")}
    return f"{record.getMessage()}\n{record.exc_text or ''}\n{extras}"


def _summary(told):
    if isinstance(told, dict) and isinstance(told.get("error"), str) and type(told.get("count")) is int:
        return told
    raise Wrong(
        f'7.3 notification: notify was given {told!r}; it needs a dictionary with "error" and "count".',
        did="sent a request that fails",
        expected='{"error": "KeyError", "count": 1, …}',
        saw=repr(told),
    )


async def _told(office, kind):
    """Wait for the notification about errors of this class."""
    await _until(lambda: office.about(kind), 2 * GATHER_S)
    if not office.about(kind):
        raise NoAnswer(
            f"7.3 notification: nobody was told of {kind.__name__}.",
            did=f"sent a request that fails with {kind.__name__}",
            expected=f"a notification within {GATHER_S:g} s",
            saw=str(office.told),
        )


async def _until(condition, within=WAIT_S):
    """Wait until `condition()` holds, or the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.005)


def _down(event):
    return not event.up and event.kind in DATA
