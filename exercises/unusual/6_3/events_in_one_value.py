"""Keeps lists under keys of its own, slides the end, lets one of a server's updates through at a time, answers by match."""

import asyncio
import json
import random
import uuid
from collections import defaultdict


class Sessions:
    PREFIX = "sessions/"

    def __init__(self, store, ttl, now):
        self._store, self._ttl, self._now = store, ttl, now
        self._turns = defaultdict(asyncio.Lock)

    async def _row(self, token):
        value, version = await self._store.get(self.PREFIX + str(token))
        if value is None or value[2] <= self._now():
            return None, version
        return {"cart": value[1], "user": value[0], "token": token}, version

    async def _save(self, token, session, version):
        row = [session["user"], list(session["cart"]), self._now() + self._ttl]
        return await self._store.put(self.PREFIX + str(token), row, version)

    async def open(self, user):
        token = str(uuid.uuid4())
        assert await self._save(token, {"user": user, "cart": ()}, 0)
        return token

    async def load(self, token):
        return (await self._row(token))[0]

    async def update(self, token, fn):
        async with self._turns[token]:
            while True:
                session, version = await self._row(token)
                if session is None:
                    return None
                session = fn(session)
                if await self._save(token, session, version):
                    return session
                await asyncio.sleep(random.expovariate(100))


async def cart_handler(ws, sessions):
    token = None
    while True:
        try:
            message = json.loads(await ws.recv())
        except Exception:
            return
        match message:
            case {"type": "open", "user": user}:
                token = await sessions.open(user)
                reply = {"token": token, "type": "session"}
            case {"type": "resume", "token": token}:
                reply = await sessions.load(token)
                reply = reply and {"type": "resumed", **reply}
            case {"type": "add", "item": item}:

                def change(session, item=item):
                    session["cart"].append(item)
                    return session

                reply = token and await sessions.update(token, change)
                reply = reply and {"type": "cart", **reply}
        await ws.send(json.dumps(reply or {"type": "error", "code": "no_session"}))
