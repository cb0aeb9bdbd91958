"""What the check of 3.2, the door, looks at, in the order in which a learner reads it.

The door stands before a server of the check's own, whose handler says to whom it speaks; clients with all kinds of
headers knock.
"""

import asyncio
import contextlib
import inspect
import json
import logging
import secrets
from dataclasses import dataclass
from typing import Any

import websockets

from wslab.judge import Driver, Wrong, behaviour
from wslab.server import logger
from wslab.trace import Kind

WAIT_S = 2.0
PAGE = "https://notes.example"
FOREIGN = ("https://evil.example", f"{PAGE}.evil.example", "http://notes.example", "null")


class Known(str):
    """A token that the door knows; it notes which other texts it was compared with by `==`."""

    __hash__ = str.__hash__

    def __init__(self, text):
        self.compared = set()

    def __eq__(self, other):
        if type(other) is str and not str.__eq__(self, other):
            self.compared.add(other)
        return str.__eq__(self, other)

    def __ne__(self, other):
        return not self == other


class Heard(logging.Handler):
    """Keeps what is written to logs, but for what the library says of clients at its most talkative level."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        if not record.name.startswith("websockets"):
            self.lines.append(self.format(record))


class Door(Driver):
    """A server behind the learner's door; `returned` and `raised` are the last words of its function."""

    async def open(self, tokens, origins):
        self.returned = self.raised = ""
        self.heard, self.known = Heard(), [Known(token) for token in tokens]
        self.process_request = self.answer(dict(zip(self.known, tokens.values(), strict=True)), set(origins))
        if inspect.iscoroutine(self.process_request):
            self.process_request.close()
        logging.getLogger().addHandler(self.heard)
        log = logger("Door")
        log.setLevel(logging.INFO)
        log.addHandler(self.heard)
        await self.serve(self.inside, name="Door", process_request=self.ask, origins=None, logger=log)

    async def ask(self, connection, request):
        try:
            answer = self.process_request(connection, request)
            answer = await answer if inspect.isawaitable(answer) else answer
        except Exception as exc:
            self.raised = f"{type(exc).__name__}: {exc}"
            raise
        self.returned = type(answer).__name__
        return answer

    async def inside(self, ws):
        await ws.send(json.dumps({"user": getattr(ws, "user", None)}, default=repr))

    def made(self):
        return callable(self.process_request), type(self.process_request).__name__

    def last(self):
        return self.returned, self.raised

    def compared(self, shown):
        return any(shown in token.compared for token in self.known)

    def log(self):
        return list(self.heard.lines)

    async def close(self):
        logging.getLogger().removeHandler(self.heard)


@dataclass(frozen=True)
class Visit:
    """What a client met at the door: the status (none, where there was no HTTP answer), and the user inside."""

    did: str
    status: int | None
    headers: Any
    body: str
    user: Any = None

    @property
    def saw(self):
        return "no HTTP answer" if self.status is None else str(self.status)


@behaviour("3.2", "a valid token opens the door, and the handler knows the user")
async def admitted(answer):
    tokens = _tokens()
    for token, user in tokens.items():
        async with _door(answer, tokens) as door:
            visit = await _knock(door, authorization=f"Bearer {token}")
            if visit.status == 403:
                raise Wrong(
                    "3.2 program: a client without an Origin and with a valid token got 403. Programs send no Origin: "
                    "only a foreign one is refused.",
                    did=visit.did,
                    expected="101",
                    saw=visit.saw,
                    where=_answered,
                )
            kept = " What stands behind the word Bearer is the token: compare it as it came, upper and lower case too."
            await _judge_status(door, visit, "valid token", 101, kept)
            if visit.user != user:
                raise Wrong(
                    f"3.2 user: the handler found {visit.user!r} in connection.user, and the token belongs to "
                    f"{user!r}. Set connection.user before you return None.",
                    did=visit.did,
                    expected=repr(user),
                    saw=repr(visit.user),
                    where=lambda event: event.kind is Kind.TEXT,
                )


@behaviour("3.2", "no token: 401, before there is a connection")
async def no_token(answer):
    async with _door(answer, _tokens()) as door:
        visit = await _knock(door)
        facts = {"did": visit.did, "expected": "401", "saw": visit.saw, "where": _answered}
        if visit.status == 101:
            raise Wrong(
                "3.2 no token: the handshake succeeded (101); the door must refuse before the connection exists.",
                **facts,
            )
        if visit.status == 403:
            raise Wrong("3.2 status: who you are is unknown, so 401; 403 means known but not allowed.", **facts)
        await _judge_status(door, visit, "no token", 401)
        if not any(value.lower().split()[:1] == ["bearer"] for value in visit.headers.get_all("WWW-Authenticate")):
            raise Wrong(
                "3.2 challenge: the 401 does not say what it wants. Give it the header WWW-Authenticate: Bearer.",
                did=visit.did,
                expected="a header WWW-Authenticate: Bearer",
                saw=f"the headers {', '.join(visit.headers)}",
                where=_answered,
            )


@behaviour("3.2", "/healthz answers 200 without a token, whoever asks")
async def health(answer):
    for origin in (None, FOREIGN[0]):
        async with _door(answer, _tokens()) as door:
            visit = await _knock(door, path="/healthz", origin=origin)
            advice = " A monitor asks /healthz without a token: look at the path first."
            await _judge_status(door, visit, "health", 200, advice)
    async with _door(answer, _tokens()) as door:
        await _judge_status(door, await _get(door, "/healthz"), "health", 200, " A plain GET is answered, too.")


@behaviour("3.2", "a wrong token is refused with 401, however near it comes")
async def wrong_token(answer):
    tokens = _tokens()
    token = next(iter(tokens))
    half = token[: len(token) // 2]
    for shown in (half, token[len(half) :], f"{token}{secrets.token_hex(2)}", f"{token} {half}"):
        line = f'3.2 prefix: "Bearer {shown}" was accepted, only the whole token may pass.'
        await _judge_refused(answer, tokens, f"Bearer {shown}", line)
    for shown in ("Bearer", token, f"Basic {token}", f"Bearer{token}", f"Bearer {token.swapcase()}"):
        line = (
            f'3.2 form: the header "Authorization: {shown}" was accepted, only the word Bearer, a space and the whole '
            "token may pass."
        )
        await _judge_refused(answer, tokens, shown, line)


@behaviour("3.2", "a wrong token is compared as bytes, in constant time")
async def compared(answer):
    tokens, wrong = _tokens(), secrets.token_urlsafe(12)
    async with _door(answer, tokens) as door:
        visit = await _knock(door, authorization="Bearer café")
        if visit.status == 500:
            _, raised = await door.do("last")
            raise Wrong(
                f"3.2 bytes: a token with an é got 500, expected 401: your function raised {raised}. Anybody may send "
                "anything: compare bytes, made by .encode().",
                did=visit.did,
                expected="401",
                saw=visit.saw,
                where=_answered,
            )
        await _judge_status(door, visit, "wrong token", 401)
    async with _door(answer, tokens) as door:
        visit = await _knock(door, authorization=f"Bearer {wrong}")
        await _judge_status(door, visit, "wrong token", 401)
        if await door.do("compared", wrong):
            raise Wrong(
                "3.2 compare: your door compared a wrong token with ==, which may stop at the first difference; the "
                "time tells how much was right. Use hmac.compare_digest, with bytes.",
                did=visit.did,
                expected="a comparison in constant time",
                saw="==",
                where=lambda event: event.kind is Kind.REQUEST,
            )


@behaviour("3.2", "bearer, BEARER and Bearer are the same word")
async def scheme(answer):
    tokens = _tokens()
    token = next(iter(tokens))
    for word in ("bearer", "BEARER"):
        async with _door(answer, tokens) as door:
            visit = await _knock(door, authorization=f"{word} {token}")
            if visit.status == 401:
                raise Wrong(
                    f'3.2 scheme: "{word}" and a valid token got 401. Upper and lower case do not matter in the word '
                    "Bearer (RFC 9110 11.1).",
                    did=visit.did,
                    expected="101",
                    saw=visit.saw,
                    where=_answered,
                )
            await _judge_status(door, visit, "scheme", 101)


@behaviour("3.2", "foreign pages get 403, allowed pages come in, with a token")
async def pages(answer):
    tokens = _tokens()
    valid = f"Bearer {next(iter(tokens))}"
    for evil in FOREIGN:
        async with _door(answer, tokens) as door:
            visit = await _knock(door, origin=evil, authorization=valid)
            if visit.status == 101:
                raise Wrong(
                    f"3.2 origin: a page from {evil} with a valid token got 101, expected 403.",
                    did=visit.did,
                    expected="403",
                    saw=visit.saw,
                    where=_answered,
                )
            await _judge_status(door, visit, "origin", 403)
    for origin, shown, status, subject, advice in (
        (FOREIGN[0], None, 403, "order", " A foreign page is refused before anybody looks at a token."),
        (PAGE, valid, 101, "origin", " This page stands in origins."),
        (PAGE, None, 401, "origin", " A page may be allowed, its user still has to show a token."),
    ):
        async with _door(answer, tokens) as door:
            visit = await _knock(door, origin=origin, authorization=shown)
            await _judge_status(door, visit, subject, status, advice)


@behaviour("3.2", "no token in an answer or in the log")
async def quiet(answer):
    tokens = _tokens()
    wrong, right = secrets.token_urlsafe(12), next(iter(tokens))
    for shown, origin in ((wrong, None), (right, None), (right, FOREIGN[0])):
        async with _door(answer, tokens) as door:
            visit = await _knock(door, origin=origin, authorization=f"Bearer {shown}")
            for place, text in (("answer", f"{visit.headers} {visit.body}"), ("log", str(await door.do("log")))):
                if any(token in text for token in (wrong, *tokens)):
                    raise Wrong(
                        f"3.2 leak: a token stands in your {place}. Answers and logs are read by others: say that it "
                        "was refused, never what was shown.",
                        did=visit.did,
                        expected=f"no token in the {place}",
                        saw=f"a token in the {place}",
                        where=_answered,
                    )


# What all of them use ------------------------------------------------------------------------------------------------


def _tokens():
    """Two users with fresh tokens."""
    return {
        f"{secrets.token_hex(4)}-{secrets.token_hex(4).upper()}aZ": f"{user}-{secrets.token_hex(2)}"
        for user in ("ada", "bob")
    }


def _answered(event):
    return event.kind is Kind.RESPONSE


@contextlib.asynccontextmanager
async def _door(answer, tokens):
    """A door for one visitor, whose recording then holds nothing else."""
    async with answer.driven(Door, tokens, {PAGE, "https://other.example"}) as door:
        made, kind = await door.do("made")
        if not made:
            raise Wrong(
                f"3.2 result: door(tokens, origins) returned {kind}, expected a function. Define process_request "
                "inside, with def, and end with: return process_request",
                did="door(tokens, origins)",
                expected="a function",
                saw=kind,
            )
        yield door


async def _knock(door, path="/", origin=None, authorization=None):
    """Try to connect with these headers."""
    shown = f"Authorization: {authorization}" if authorization is not None else "no token"
    did = f"connect to {path} with {shown}" + (f", Origin: {origin}" if origin else "")
    headers = {} if authorization is None else {"Authorization": authorization}
    options = {"compression": None, "open_timeout": WAIT_S, "close_timeout": 0.3, "proxy": None}
    try:
        async with websockets.connect(
            door.server.url + path, origin=origin, additional_headers=headers, **options
        ) as ws:
            try:
                user = json.loads(await asyncio.wait_for(ws.recv(), WAIT_S))["user"]
            except (TimeoutError, websockets.ConnectionClosed):
                user = None
            return Visit(did, 101, ws.response.headers, "", user)
    except websockets.InvalidStatus as exc:
        body = (exc.response.body or b"").decode("utf-8", "replace")
        return Visit(did, exc.response.status_code, exc.response.headers, body)
    except (OSError, TimeoutError, websockets.InvalidHandshake):
        return Visit(did, None, websockets.Headers(), "")


async def _get(door, path):
    """A GET of plain HTTP, as a monitor sends it."""
    host = door.server.url.removeprefix("ws://")
    status, writer = None, None
    try:
        async with asyncio.timeout(WAIT_S):
            reader, writer = await asyncio.open_connection(*host.split(":"))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            line = await reader.readline()
            status = int(line.split()[1]) if line else None
            await reader.read()
    except (OSError, TimeoutError):
        pass
    finally:
        if writer is not None:
            writer.close()
    return Visit(f"GET {path}, not for a WebSocket", status, websockets.Headers(), "")


async def _judge_refused(answer, tokens, shown, accepted):
    async with _door(answer, tokens) as door:
        visit = await _knock(door, authorization=shown)
        if visit.status == 101:
            raise Wrong(accepted, did=visit.did, expected="401", saw=visit.saw, where=_answered)
        await _judge_status(door, visit, "wrong token", 401)


async def _judge_status(door, visit, subject, expected, advice=""):
    """Refuse any other status, and tell what it says about the learner's function."""
    if visit.status == expected:
        return
    returned, raised = await door.do("last")
    facts = {"did": visit.did, "expected": str(expected)}
    if visit.status == 500:
        remedy = f"Return connection.respond({expected}, ...)." if subject == "no token" else f"It was {raised}."
        raise Wrong(
            f"3.2 {subject}: expected {expected}, saw 500: an exception in process_request becomes Internal Server "
            f"Error. {remedy}",
            saw=f"500, after {raised}",
            where=_answered,
            **facts,
        )
    if visit.status is None:
        raise Wrong(
            f"3.2 {subject}: process_request must return None or a Response, saw {returned}; the client got no HTTP "
            "answer at all (InvalidMessage).",
            saw=visit.saw,
            where=lambda event: event.kind is Kind.REQUEST,
            **facts,
        )
    raise Wrong(
        f"3.2 {subject}: expected {expected}, saw {visit.saw}.{advice}", saw=visit.saw, where=_answered, **facts
    )
