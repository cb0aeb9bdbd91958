"""What the check of 3.3, first message, looks at, in the order in which a learner reads it.

Tokens, their clock and their end are the check's own; so is the work, which goes on until somebody stops it.
"""

import asyncio
import contextlib
import json
import random
import secrets
import time

from websockets import ConnectionClosed, ProtocolError

from wslab.judge import Driver, NoAnswer, Wrong, behaviour
from wslab.trace import DATA, Kind

PATIENCE_S, SPEAKS_S = 1.0, 0.5
SILENT_S = 1.0  # the default is 0.3
LIFE_S = 0.4
LATE_S = 1.0
REVOKED_S = 1.5  # promised is 1 s
EARLY_S = 0.05
STOP_S = 0.5
PAUSE_S = 0.1  # between two pushes, or two requests
LOOK_S = 0.02
GRACE_S = 0.2  # a session is known a little longer than it lives, so that nobody's alarm can come too late


class Tokens:
    """The sessions that the check knows, on a clock that began some minutes ago."""

    def __init__(self):
        self.zero = time.monotonic() - random.uniform(100, 900)
        self.sessions = {}

    def now(self):
        return time.monotonic() - self.zero

    def issue(self, life_s=60.0):
        token = secrets.token_urlsafe(9)
        self.sessions[token] = {"user": f"ada-{secrets.token_hex(2)}", "exp": self.now() + life_s}
        return token

    def verify(self, token):
        if not isinstance(token, str):
            raise TypeError(f"verify(token) wants a text, not {type(token).__name__}")
        session = self.sessions.get(token)
        return session if session is not None and self.now() < session["exp"] + GRACE_S else None

    async def verify_slowly(self, token):
        await asyncio.sleep(0.01)
        return self.verify(token)


class FirstMessage(Driver):
    """A server whose handler is the learner's `authenticate`; who is let in may stay."""

    async def open(self, verify, timeout):
        self.verify, self.timeout = verify, timeout
        self.returned, self.refused = [], []
        await self.serve(self.handle)

    async def handle(self, ws):
        self.watch_codes(ws)
        limit = {} if self.timeout is None else {"timeout": self.timeout}
        session = await self.answers["authenticate"](ws, self.verify, **limit)
        self.returned.append(session)
        if session is not None:
            await ws.wait_closed()

    def watch_codes(self, ws):
        """Note the codes that the library refuses to send: its exception does not name them."""
        close = ws.close

        async def noted(code=1000, reason=""):
            try:
                await close(code, reason)
            except ProtocolError:
                self.refused.append(code)
                raise

        ws.close = noted

    def sessions(self):
        return list(self.returned)

    def refused_codes(self):
        return list(map(int, self.refused))


class Secured(FirstMessage):
    """A server whose handler is the learner's `secured`; `begun` works were begun, `working` go on."""

    async def open(self, verify, now, work):
        self.verify, self.now, self.work = verify, now, getattr(self, work)
        self.refused, self.begun, self.working = [], 0, 0
        await self.serve(self.handle)

    async def handle(self, ws):
        self.watch_codes(ws)
        await self.answers["secured"](ws, self.verify, self.counted, self.now)

    async def counted(self, ws, session):
        self.begun += 1
        self.working += 1
        try:
            with contextlib.suppress(ConnectionClosed):
                await self.work(ws, session)
        finally:
            self.working -= 1

    async def push(self, ws, session):
        """Work that speaks without being asked."""
        while True:
            await ws.send(json.dumps({"type": "push", "for": session["user"]}))
            await asyncio.sleep(PAUSE_S)

    async def serve_requests(self, ws, session):
        """Work that answers."""
        async for text in ws:
            await ws.send(json.dumps({"type": "answer", "to": text}))

    async def compute(self, ws, session):
        """Work that never looks at the connection."""
        while True:
            await asyncio.sleep(LOOK_S)

    async def push_once(self, ws, session):
        """Work that is soon done."""
        await ws.send(json.dumps({"type": "push", "for": session["user"]}))

    def works(self):
        return self.begun, self.working


# authenticate --------------------------------------------------------------------------------------------------------


@behaviour("3.3", "authenticate: a valid first message is welcomed, and its session returned")
async def welcomed(answer):
    for plain in (True, False):
        tokens = Tokens()
        token = tokens.issue()
        async with answer.driven(FirstMessage, tokens.verify if plain else tokens.verify_slowly, None) as desk:
            client = await desk.server.connect()
            await _auth(desk, client, token)
            did = "sent a valid auth message" + ("" if plain else "; verify is a coroutine function here")
            await _judge_welcome(desk, client, tokens.sessions[token], did)
            await client.close()
            await desk.server.ended(within=STOP_S)
            returned = await desk.do("sessions")
            if not any(isinstance(one, dict) and one.items() >= tokens.sessions[token].items() for one in returned):
                raise Wrong(
                    f"3.3 session: authenticate returned {returned[-1] if returned else 'nothing'}; for a client that "
                    "was let in it returns what verify returned.",
                    did=did,
                    expected=str(tokens.sessions[token]),
                    saw=str(returned[-1:]),
                )


@behaviour("3.3", "authenticate: a first message that is not a valid auth is refused with 4401")
async def refused(answer):
    tokens = Tokens()
    valid = tokens.issue()
    objects = (
        {"type": "login", "token": valid},
        {"token": valid},
        {"type": ["auth"], "token": valid},
        {"type": "auth"},
    )
    bad_tokens = (None, 5, [valid], "", valid[:-1])
    cases = [
        *(("malformed", text) for text in ("{bad", "", valid, b"\xff\x80\xff")),
        *(("not an object", text) for text in ("[]", "null", "3", f'["auth", "{valid}"]')),
        *(("not an auth", json.dumps(message)) for message in objects),
        *(("token", json.dumps({"type": "auth", "token": token})) for token in bad_tokens),
        ("token", json.dumps({"type": "auth", "token": secrets.token_urlsafe(9)})),
    ]
    for subject, text in cases:
        async with answer.driven(FirstMessage, tokens.verify, None) as desk:
            client = await desk.server.connect()
            await desk.server.send(client, text)
            await _judge_refused(desk, client, subject, text, valid)


@behaviour("3.3", "authenticate: a silent client is closed with 4408, a slow one is not")
async def silent(answer):
    tokens = Tokens()
    async with answer.driven(FirstMessage, tokens.verify, None) as desk:
        client = await desk.server.connect()
        began = time.monotonic()
        messages, closed = await _until_closed(client, SILENT_S)
        facts = {"did": "connected and said nothing", "expected": "close 4408 after 0.3 s"}
        if not closed:
            raise Wrong(
                f"3.3 silent client: still open after {time.monotonic() - began:.1f} s. Unauthenticated connections "
                "must not live for ever.",
                saw="an open connection",
                **facts,
            )
        await _judge_code(desk, client, "silent client", 4408, messages, facts)
    token = tokens.issue()
    async with answer.driven(FirstMessage, tokens.verify, PATIENCE_S) as desk:
        client = await desk.server.connect()
        await asyncio.sleep(SPEAKS_S)
        if client.close_code is not None:
            raise Wrong(
                f"3.3 slow client: authenticate(ws, verify, timeout={PATIENCE_S}) closed before {SPEAKS_S} s were "
                "over: wait as long as timeout says.",
                did=f"waited {SPEAKS_S} s, with timeout={PATIENCE_S}",
                expected="an open connection",
                saw=f"close {int(client.close_code)}",
                where=_closed,
            )
        await _auth(desk, client, token)
        await _judge_welcome(desk, client, tokens.sessions[token], f"sent a valid auth message after {SPEAKS_S} s")


@behaviour("3.3", "authenticate: a client that leaves without a word is no error")
async def left(answer):
    for politely in (True, False):
        async with answer.driven(FirstMessage, Tokens().verify, None) as desk:
            client = await desk.server.connect()
            if politely:
                await client.close()
            else:
                client.transport.abort()
            await desk.server.ended(within=SILENT_S)
            if raised := await desk.server.raised():
                raise Wrong(
                    f"3.3 left: the client left without a word, and your code raised {raised}. Catch ConnectionClosed "
                    "and return None.",
                    did="left before the first message",
                    expected="None, and no error in the server's log",
                    saw=raised,
                    where=lambda event: event.up and event.kind in (Kind.CLOSE, Kind.END),
                )


# secured -------------------------------------------------------------------------------------------------------------


@behaviour("3.3", "secured: nothing before the welcome, then the work")
async def work_after_welcome(answer):
    tokens = Tokens()
    token = tokens.issue()
    async with answer.driven(Secured, tokens.verify_slowly, tokens.now, "push") as desk:
        client = await desk.server.connect()
        await asyncio.sleep(3 * LOOK_S)  # what comes before the welcome would come now
        await _auth(desk, client, token)
        await _judge_welcome(desk, client, tokens.sessions[token], "sent a valid auth message")
        try:
            text = await desk.server.receive(client, "waited for what work(ws, session) sends", "a push")
        except NoAnswer:
            if client.close_code == 4401:
                raise _too_early(tokens.sessions[token]["exp"] - tokens.now()) from None
            raise
        if json.loads(text) != {"type": "push", "for": tokens.sessions[token]["user"]}:
            raise Wrong(
                f"3.3 work: expected what work(ws, session) sends, saw {text}.",
                did="waited after the welcome",
                expected="a push for the user of the session",
                saw=text,
                where=_down,
            )


@behaviour("3.3", "secured: for a refused client there is no work")
async def no_work(answer):
    tokens = Tokens()
    wrong = secrets.token_urlsafe(9)
    async with answer.driven(Secured, tokens.verify, tokens.now, "push") as desk:
        client = await desk.server.connect()
        text = await _auth(desk, client, wrong)
        messages, _ = await _until_closed(client, SILENT_S)
        await desk.server.ended(within=STOP_S)  # the client has seen the close before `secured` goes on
        begun, _ = await desk.do("works")
        if begun:
            raise Wrong(
                "3.3 refused, and served: work was called for a client whose token is not known. Where authenticate "
                "returned None, secured returns.",
                did=f"sent {text}",
                expected="close 4401 and no work",
                saw=f"{len(messages)} messages",
                where=_down,
            )
        await _judge_refused(desk, client, "token", text, wrong)


@behaviour("3.3", "secured: at exp the connection is closed with 4401, though the client is silent")
async def idle_expiry(answer):
    await _judge_expiry(answer, "push")


@behaviour("3.3", "secured: also while the client is busy")
async def busy_expiry(answer):
    await _judge_expiry(answer, "serve_requests", busy=True)


@behaviour("3.3", "secured: work that never looks at the connection is stopped, too")
async def work_stopped(answer):
    await _judge_expiry(answer, "compute")


@behaviour("3.3", "secured: a revoked token is closed with 4403 within a second")
async def revoked(answer):
    for verify in ("verify", "verify_slowly"):
        tokens = Tokens()
        token = tokens.issue()
        async with answer.driven(Secured, getattr(tokens, verify), tokens.now, "compute") as desk:
            client = await desk.server.connect()
            await _auth(desk, client, token)
            await _judge_welcome(desk, client, tokens.sessions[token], "sent a valid auth message")
            await asyncio.sleep(random.uniform(0.05, 0.15))
            del tokens.sessions[token]
            began = time.monotonic()
            messages, closed = await _until_closed(client, REVOKED_S)
            facts = {"did": "let verify(token) return None from now on", "expected": "close 4403 within 1 s"}
            if not closed:
                raise Wrong(
                    f"3.3 revoked: the token was revoked {time.monotonic() - began:.1f} s ago and the connection is "
                    "still open. Ask verify again and again, more than once in a second.",
                    saw="an open connection",
                    **facts,
                )
            await _judge_code(desk, client, "revoked", 4403, messages, facts)
            await _judge_stopped(desk, facts)


@behaviour("3.3", "secured: when the work is done, or the client has left, nothing goes on")
async def done(answer):
    for work, how in (("push_once", "the work returned"), ("serve_requests", "the client left")):
        tokens = Tokens()
        token = tokens.issue()
        before = await answer.tasks()
        async with answer.driven(Secured, tokens.verify, tokens.now, work) as desk:
            client = await desk.server.connect()
            await _auth(desk, client, token)
            await _judge_welcome(desk, client, tokens.sessions[token], "sent a valid auth message")
            if work == "serve_requests":
                await client.close()
            ended = await desk.server.ended(within=LATE_S)
            left = await answer.tasks(after=0.1) - before - await desk.server.handlers()
            raised = await desk.server.raised()
            if raised or not ended or left:
                still = "a task of yours still runs" if ended else "your handler still runs"
                saw = f"your code raised {raised}" if raised else still
                raise Wrong(
                    f"3.3 done: {how}, and {saw}. Stop watching as soon as there is nothing left to watch.",
                    did=how,
                    expected="secured returns, and leaves no task behind",
                    saw=saw,
                )


# What all of them use ------------------------------------------------------------------------------------------------


async def _judge_expiry(answer, work, busy=False):
    tokens = Tokens()
    async with answer.driven(Secured, tokens.verify, tokens.now, work) as desk:
        client = await desk.server.connect()
        token = tokens.issue(LIFE_S)
        session = tokens.sessions[token]
        await _auth(desk, client, token)
        await _judge_welcome(desk, client, session, "sent a valid auth message")
        talking = asyncio.create_task(_talk(client)) if busy else None
        before, closed = await _until_closed(client, session["exp"] - tokens.now())
        messages, closed = await _until_closed(client, session["exp"] + LATE_S - tokens.now())
        late = tokens.now() - session["exp"]
        if talking is not None:
            talking.cancel()
        facts = {
            "did": f"waited for the end of a token that lives {LIFE_S} s" + (", asking all the time" if busy else ""),
            "expected": "close 4401 at exp",
        }
        if not closed:
            raise Wrong(
                f"3.3 {'busy' if busy else 'idle'} expiry: the token ended {late:.1f} s ago and the connection still "
                f"{'answers requests' if busy else 'receives pushes' if messages else 'is open'}.",
                saw="an open connection",
                where=lambda event: _down(event) and event.ordinal > len(before),
                **facts,
            )
        await _judge_code(desk, client, "expiry", 4401, [], facts)
        if late < -EARLY_S:
            raise _too_early(-late)
        await _judge_stopped(desk, facts)


def _too_early(seconds):
    return Wrong(
        f"3.3 clock: closed {seconds:.1f} s before the end of the token. exp is a time on the clock of now(); no other "
        "clock shows the same.",
        did="waited after the welcome",
        expected="an open connection until exp",
        saw=f"close 4401, {seconds:.1f} s too early",
        where=_closed,
    )


async def _talk(client):
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.send(secrets.token_hex(2))
            await asyncio.sleep(PAUSE_S)


async def _auth(desk, client, token):
    text = json.dumps({"type": "auth", "token": token})
    await desk.server.send(client, text)
    return text


async def _judge_welcome(desk, client, session, did):
    text = await desk.server.receive(client, did, "a welcome")
    with contextlib.suppress(ValueError, TypeError):
        if json.loads(text) == {"type": "welcome", "user": session["user"]}:
            return
    facts = {"did": did, "expected": json.dumps({"type": "welcome", "user": session["user"]}), "saw": str(text)}
    if '"welcome"' in str(text):
        raise Wrong(f"3.3 welcome: the message is {text}; expected {facts['expected']}.", where=_down, **facts)
    raise Wrong(
        f'3.3 too early: {text} came before the "welcome". Until the client knows that it was let in, it gets nothing.',
        where=_down,
        **facts,
    )


async def _until_closed(client, within):
    """The messages until the connection is closed, and whether it is, at the latest after `within` seconds."""
    messages = []
    try:
        async with asyncio.timeout(max(within, 0.0)):
            while True:
                messages.append(await client.recv())
    except ConnectionClosed:
        return messages, True
    except TimeoutError:
        return messages, False


async def _judge_refused(desk, client, subject, text, token):
    messages, closed = await _until_closed(client, SILENT_S)
    shown = text if isinstance(text, str) else repr(text)
    facts = {"did": f"sent {shown!r} first", "expected": "close 4401"}
    if messages:
        raise Wrong(
            f"3.3 {subject}: sent {shown}, and the answer was {messages[0]}; expected close 4401 and nothing before.",
            saw=str(messages[0]),
            where=_down,
            **facts,
        )
    if not closed:
        raise Wrong(
            f"3.3 {subject}: sent {shown}, and the connection is still open after {SILENT_S:.0f} s; expected close "
            "4401.",
            saw="an open connection",
            **facts,
        )
    raised = (await desk.server.raised()).partition(":")[0]
    if client.close_code == 1011 and subject == "not an object":
        raise Wrong(
            f'3.3 not an object: sent "{shown}", saw 1011 ({raised}). Valid JSON need not be an object.',
            saw=f"close 1011, after {raised}",
            where=_closed,
            **facts,
        )
    if client.close_code == 1011 and raised != "ProtocolError":
        raise Wrong(
            f'3.3 {subject}: sent "{shown}", expected close 4401, saw 1011: your code raised {raised}.',
            saw=f"close 1011, after {raised}",
            where=_closed,
            **facts,
        )
    await _judge_code(desk, client, "refused", 4401, messages, facts)
    if any(part in client.close_reason for part in (token, *_texts(text))):
        raise Wrong(
            "3.3 leak: the reason of the close frame repeats the token. Say that it was refused, never what was shown.",
            saw=f"the reason {client.close_reason!r}",
            where=_closed,
            **facts,
        )


def _texts(text):
    """The token that a first message holds, where it does."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        shown = json.loads(text)["token"]
        if isinstance(shown, str) and shown:
            yield shown


async def _judge_code(desk, client, subject, expected, messages, facts):
    """The code of a connection that has been closed by the learner's code."""
    code = int(client.close_code)
    facts = facts | {"saw": f"close {code}", "where": _closed}
    raised = await desk.server.raised()
    if messages and expected == 4408:
        raise Wrong(
            f"3.3 {subject}: nobody has said who it is, and {messages[0]} was sent.", **(facts | {"where": _down})
        )
    if raised.startswith("ProtocolError") and (codes := await desk.do("refused_codes")):
        raise Wrong(
            f"3.3 code: ProtocolError: invalid status code ({codes[-1]}). Sendable: 1000-1003, 1007-1014, 3000-4999.",
            **facts,
        )
    if raised and code == expected:
        raise Wrong(f"3.3 log: closed with {code}, and then your code raised {raised}.", **facts)
    if raised:
        raise Wrong(f"3.3 {subject}: closed with {code}, expected {expected}: your code raised {raised}.", **facts)
    if code == 1000:
        verb = "refused" if subject == "refused" else "closed"
        raise Wrong(
            f"3.3 code: {verb} with 1000: the client's loop ends quietly and it will not know why. Use {expected}.",
            **facts,
        )
    if code != expected:
        raise Wrong(
            f"3.3 code: {subject}: closed with {code}, expected {expected}. 4401 is a missing, bad or expired token, "
            "4403 a revoked one, 4408 too late.",
            **facts,
        )


async def _judge_stopped(desk, facts):
    deadline = time.monotonic() + STOP_S
    while (await desk.do("works"))[1]:
        if time.monotonic() > deadline:
            raise Wrong(
                f"3.3 still at work: the connection is closed, and {STOP_S} s later work still runs. Cancel its task.",
                did=facts["did"],
                expected="work is stopped",
                saw="it still runs",
                where=_closed,
            )
        await asyncio.sleep(LOOK_S)


def _down(event):
    return not event.up and event.kind in DATA


def _closed(event):
    return not event.up and event.kind in (Kind.CLOSE, Kind.END)
