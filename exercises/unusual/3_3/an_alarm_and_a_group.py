"""A group of three: the work, an alarm at exp, and a guard that asks; whoever is first says how it ends."""

import asyncio
import json

from websockets import ConnectionClosed


class Ended(Exception):
    pass


async def authenticate(ws, verify, timeout=0.3):
    code, session = 4401, None
    try:
        async with asyncio.timeout(timeout):
            raw = await ws.recv()
        match json.loads(raw):
            case {"type": "auth", "token": str(token)}:
                ws.token, session = token, verify(token)
                if hasattr(session, "__await__"):
                    session = await session
    except TimeoutError:
        code = 4408
    except (ValueError, RecursionError):
        pass
    except ConnectionClosed:
        return None
    if session:
        await ws.send(
            json.dumps({"user": session["user"], "type": "welcome"}, separators=(",", ":")).encode(), text=True
        )
        return session
    await ws.close(code=code)


async def secured(ws, verify, work, now):
    session = await authenticate(ws, verify, timeout=0.3)
    if not session:
        return

    async def alarm():
        await asyncio.sleep(session["exp"] - now())
        raise Ended(4401)

    async def guard():
        while True:
            await asyncio.sleep(0.4)
            found = verify(ws.token)
            if (await found if asyncio.iscoroutine(found) else found) is None:
                raise Ended(4403 if now() < session["exp"] else 4401)

    async def labour():
        await work(ws, session)
        raise Ended(1000)

    try:
        async with asyncio.TaskGroup() as group:
            for job in (labour, alarm, guard):
                group.create_task(job())
    except* Ended as ended:
        await ws.close(ended.exceptions[0].args[0])
