"""What the check of 3.1, the login in order, looks at, in the order in which a learner reads it.

The learner's blocks are lines of Python. They are put together to a client, which runs here against a server of the
check's own; whatever order reaches the goal is right.
"""

import ast
import asyncio
import contextlib
import inspect
import json
import secrets
from urllib.parse import parse_qs, urlsplit

from websockets import ConnectionClosed, connect

from wslab import serve
from wslab.judge import Wrong, behaviour
from wslab.recording import record
from wslab.trace import DATA, Kind

LINES = {
    "open": "ws = await connect(url)",
    "send credentials": "await tell(ws, user=user, password=password)",
    "receive session": "session = json.loads(await ws.recv())",
    "store token": "token = session['token']",
    "send token+request": "await tell(ws, token=token, request='notes')",
    "receive response": "response = json.loads(await ws.recv())",
    "send token in URL": "ws = await connect(f'{url}/?token={token}')",
    "send the password with each request": "await tell(ws, user=user, password=password, request='notes')",
    "wait for HTTP 200": "while ws.response.status_code != 200: await asyncio.sleep(0.01)",
}
LOGIN_S = 0.05  # so long the server takes for a password: who does not wait for the session, is too early each time
STEP_S = 1.5
DID = "ran your blocks against a server"
UNAUTHENTICATED = {"error": "unauthenticated"}


@behaviour("3.1", "the client runs from its first block to its last")
async def runs(answer):
    await _run(answer)


@behaviour("3.1", "its request is answered")
async def answered(answer):
    names = await _run(answer)
    response = names.get("response")
    if response == {"notes": names["notes"]}:
        return
    asked = _first(answer, _is_request)
    if asked is None or "response" not in names:
        missing = "a block that sends its request" if asked is None else 'the block "receive response"'
        raise Wrong(
            f"3.1 response: your client never received an answer to its request: {missing} is missing.",
            did=DID,
            expected="the notes",
            saw="no response",
        )
    facts = {"did": DID, "expected": "the notes", "saw": json.dumps(response), "where": lambda event: event == asked}
    if response != UNAUTHENTICATED:
        raise Wrong("3.1 response: what your client took for the response is not the answer to its request.", **facts)
    if _before_session(answer, asked):
        raise Wrong(
            '3.1 order: your request arrived before the session: the server answered "unauthenticated".', **facts
        )
    raise Wrong('3.1 second request: sent without token, answered "unauthenticated".', **facts)


@behaviour("3.1", "the password crosses the wire once, and then the token stands for it")
async def once(answer):
    names = await _run(answer)
    passwords = [event for event in answer.recording.trace if event.up and names["password"] in event.text]
    if len(passwords) > 1:
        raise Wrong(
            f"3.1 exposure: the password crossed the wire {len(passwords)} times, once is enough.",
            did=DID,
            expected="the password in one message",
            saw=f"in {len(passwords)}",
            where=lambda event: event == passwords[1],
        )
    if _is_request(passwords[0]):
        raise Wrong(
            "3.1 token: your request was answered because it carried the password, not a token: so would every "
            "further request have to.",
            did=DID,
            expected="a request with the token",
            saw="a request with the password",
            where=lambda event: event == passwords[0],
        )


@behaviour("3.1", "no token in an address")
async def no_leak(answer):
    await _run(answer)
    leak = _first(answer, lambda event: event.kind is Kind.REQUEST and "token=" in event.headline)
    if leak is not None:
        path = leak.headline.split()[1]
        held = (
            "has a place for a token, which you had not got yet"
            if _before_session(answer, leak)
            else "contains your token"
        )
        raise Wrong(
            f"3.1 leak: the request line in the recording {held}: {path}. Paths are written to logs.",
            did=DID,
            expected="the token in a message",
            saw="the token in the address",
            where=lambda event: event == leak,
        )


# The client, put together --------------------------------------------------------------------------------------


async def _run(answer):
    """Run the learner's blocks as a client; returns its variables. What crosses is recorded."""
    blocks = await _blocks(answer)
    names = {
        "asyncio": asyncio,
        "json": json,
        "tell": _tell,
        "user": "ada",
        "password": f"password-{secrets.token_hex(3)}",
        "notes": f"notes {secrets.token_hex(3)}",
        "token": None,
    }
    server = await serve(_desk(names["password"], names["notes"]), name="Server")
    try:
        async with contextlib.AsyncExitStack() as opened:

            async def open_connection(url):
                return await opened.enter_async_context(connect(url, compression=None, proxy=None, close_timeout=0.3))

            names |= {"url": server.url, "connect": open_connection}
            with record(server) as answer.recording:
                for block in blocks:
                    if "connect" in LINES[block]:
                        await answer.recording.settled()  # so that it shows which connection came first
                    await _step(block, names)
                await answer.recording.settled()
    finally:
        await server.stop()
    return names


async def _step(block, names):
    """Run one block, for a limited time."""
    await asyncio.sleep(0)  # so that the time for all of them is limited, too
    code = compile(LINES[block], f"<{block}>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    facts = {"did": f'{DID}, up to "{block}"', "expected": "that it runs to its end"}
    try:
        running = eval(code, names)
        if inspect.isawaitable(running):
            await asyncio.wait_for(running, STEP_S)
    except TimeoutError:
        if block == "wait for HTTP 200":
            raise Wrong(
                "3.1 hang: no HTTP response follows 101.",
                saw="nothing, for ever",
                where=lambda event: event.kind is Kind.RESPONSE,
                **facts,
            ) from None
        raise Wrong(
            f'3.1 hang: "{block}" waits for a message, and none is on its way.', saw="nothing, for ever", **facts
        ) from None
    except (NameError, KeyError, ConnectionClosed) as exc:
        saw = f"{type(exc).__name__}: {exc}"
        raise Wrong(
            f'3.1 run: the block "{block}" raised {saw}. What it uses must be there before it runs.', saw=saw, **facts
        ) from None


async def _blocks(answer):
    """The learner's blocks.

    Raises:
        Wrong: If they are none.
    """
    value = await answer.call()
    if not isinstance(value, list | tuple) or not all(isinstance(block, str) for block in value):
        raise Wrong(
            f"3.1 result: your function returned {value!r}; it has to return a list of blocks, which are texts.",
            did="auth_flow()",
            expected="a list of texts",
            saw=repr(value),
        )
    for block in value:
        if block not in LINES:
            raise Wrong(
                f"3.1 blocks: {block!r} is none of the blocks: copy their texts exactly.",
                did="auth_flow()",
                expected="texts of blocks",
                saw=repr(block),
            )
    return value


async def _tell(ws, **message):
    await ws.send(json.dumps(message))


def _desk(password, notes):
    """A server that gives a token for a password, and notes for either, even for a token in the address."""
    token = secrets.token_urlsafe(12)

    async def desk(ws):
        shown = parse_qs(urlsplit(ws.request.path).query).get("token")
        if shown is not None:
            await _tell(ws, **({"notes": notes} if shown == [token] else UNAUTHENTICATED))
        async for text in ws:
            message = json.loads(text)
            known = message.get("password") == password
            if known and "request" not in message:
                await asyncio.sleep(LOGIN_S)
                await _tell(ws, token=token)
            else:
                known = known or message.get("token") == token
                await _tell(ws, **({"notes": notes} if known else UNAUTHENTICATED))

    return desk


def _first(answer, wanted):
    return next((event for event in answer.recording.trace if wanted(event)), None)


def _before_session(answer, event):
    """Did `event` cross before the server had sent a token?"""
    session = _first(answer, lambda other: not other.up and other.kind in DATA and '"token"' in other.text)
    order = list(answer.recording.trace)
    return session is None or order.index(event) < order.index(session)


def _is_request(event):
    """Does `event` ask for the notes, in a message or in the address of a connection?"""
    asks = event.kind in DATA and '"request"' in event.text
    return event.up and (asks or (event.kind is Kind.REQUEST and "token=" in event.headline))
