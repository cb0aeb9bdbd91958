"""3.3 still at work: the connection is closed, and {t} s later work still runs. Cancel its task."""

import asyncio
import inspect
import json

from websockets import ConnectionClosed


async def authenticate(ws, verify, timeout=0.3):
    try:
        first = await asyncio.wait_for(ws.recv(), timeout)  # 2 read
        ws.token = token_in(first)
        session = await ask(verify, ws.token) if ws.token is not None else None  # 3 decide
        if session is None:
            await ws.close(4401, "who are you?")
        else:
            await ws.send(json.dumps({"type": "welcome", "user": session["user"]}))  # 4 answer
        return session
    except TimeoutError:
        await ws.close(4408, "too late")
    except ConnectionClosed:  # the client has left
        return None


def token_in(first):
    try:
        message = json.loads(first)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("type") != "auth":
        return None
    token = message.get("token")
    return token if isinstance(token, str) else None


async def ask(verify, token):
    found = verify(token)
    return await found if inspect.isawaitable(found) else found


async def secured(ws, verify, work, now):
    session = await authenticate(ws, verify)  # 1 accept
    if session is None:
        return
    working = asyncio.create_task(work(ws, session))
    code, reason = 4401, "token expired"
    if True:
        while now() < session["exp"]:
            await asyncio.wait([working], timeout=min(0.2, session["exp"] - now()))
            if working.done():
                return await working
            if await ask(verify, ws.token) is None and now() < session["exp"]:
                code, reason = 4403, "token revoked"
                break
    await ws.close(code, reason)
