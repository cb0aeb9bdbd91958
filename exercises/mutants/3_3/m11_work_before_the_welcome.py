"""3.3 too early: {message} came before the "welcome". Until the client knows that it was let in, it gets nothing."""

import asyncio
import inspect
import json

from websockets import ConnectionClosed


async def authenticate(ws, verify, timeout=0.3):
    session = await admit(ws, verify, timeout)
    if session is not None:
        await welcome(ws, session)
    return session


async def admit(ws, verify, timeout):
    try:
        first = await asyncio.wait_for(ws.recv(), timeout)  # 2 read
        ws.token = token_in(first)
        session = await ask(verify, ws.token) if ws.token is not None else None  # 3 decide
        if session is None:
            await ws.close(4401, "who are you?")
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


async def welcome(ws, session):
    await ws.send(json.dumps({"type": "welcome", "user": session["user"]}))


async def secured(ws, verify, work, now):
    session = await admit(ws, verify, 0.3)
    if session is None:
        return
    working = asyncio.create_task(work(ws, session))
    await asyncio.sleep(0)
    await welcome(ws, session)
    code, reason = 4401, "token expired"
    try:
        while now() < session["exp"]:
            await asyncio.wait([working], timeout=min(0.2, session["exp"] - now()))
            if working.done():
                return await working
            if await ask(verify, ws.token) is None and now() < session["exp"]:
                code, reason = 4403, "token revoked"
                break
    finally:
        working.cancel()  # 5 clean up
    await ws.close(code, reason)
