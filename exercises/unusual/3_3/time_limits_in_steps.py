"""Work in the handler's own task under a time limit that a helper moves to now when the token is revoked."""

import asyncio
import inspect
import json

from websockets import ConnectionClosed


async def found(verify, token):
    answer = verify(token)
    return await answer if inspect.isawaitable(answer) else answer


async def authenticate(ws, verify, timeout=0.3):
    receiving = asyncio.ensure_future(ws.recv())
    done, _ = await asyncio.wait({receiving}, timeout=timeout)
    if not done:
        receiving.cancel()
        return await ws.close(4408, "nothing came")
    if isinstance(receiving.exception(), ConnectionClosed):
        return None
    try:
        first = json.loads(receiving.result())
        assert first["type"] == "auth" and type(first["token"]) is str
        session = await found(verify, first["token"])
    except (ValueError, LookupError, TypeError, AssertionError):
        session = None
    if session is None:
        return await ws.close(4401, "")
    ws.again = lambda: found(verify, first["token"])
    await ws.send(json.dumps({"type": "welcome", "user": session["user"]}))
    return session


async def secured(ws, verify, work, now):
    if (session := await authenticate(ws, verify)) is None:
        return
    revoked = False

    async def ask(limit):
        nonlocal revoked
        while not revoked:
            await asyncio.sleep(0.5)
            revoked = await ws.again() is None and now() < session["exp"]
        limit.reschedule(0)

    asking = None
    try:
        async with asyncio.timeout(session["exp"] - now()) as limit:
            asking = asyncio.create_task(ask(limit))
            await work(ws, session)
    except TimeoutError:
        await ws.close(4403 if revoked else 4401)
    finally:
        if asking:
            asking.cancel()
