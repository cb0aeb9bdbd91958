"""6.3 once: {item} was added once, and is in the cart {n} times."""

import asyncio
import contextlib
import json
import random
import secrets

from websockets import ConnectionClosed


class Sessions:
    def __init__(self, store, ttl, now):
        self.store, self.ttl, self.now = store, ttl, now

    async def open(self, user):
        token = secrets.token_urlsafe()
        await self.store.put(token, {"user": user, "cart": [], "until": self.now() + self.ttl}, 0)
        return token

    async def read(self, token):
        session, version = await self.store.get(token)
        if session is not None and self.now() >= session["until"]:
            session = None
        return session, version

    async def load(self, token):
        session, _ = await self.read(token)
        return session

    async def update(self, token, fn):
        pause = 0.02
        mine = []
        while True:
            session, version = await self.read(token)
            if session is None:
                return None
            session["cart"] = session["cart"] + mine
            changed = fn(session)
            mine = changed["cart"][len(session["cart"]) :]
            if await self.store.put(token, changed, version):
                return changed
            await asyncio.sleep(random.uniform(0, pause))
            pause = min(2 * pause, 1.0)


def adding(item):
    def fn(session):
        return session | {"cart": [*session["cart"], item]}

    return fn


async def cart_handler(ws, sessions):
    token = ""
    with contextlib.suppress(ConnectionClosed):
        async for text in ws:
            message = json.loads(text)
            reply = {"type": "error", "code": "no_session"}
            if message["type"] == "open":
                token = await sessions.open(message["user"])
                reply = {"type": "session", "token": token}
            elif message["type"] == "resume":
                token = message["token"]
                session = await sessions.load(token)
                if session is not None:
                    reply = {"type": "resumed", "user": session["user"], "cart": session["cart"]}
            elif message["type"] == "add":
                session = await sessions.update(token, adding(message["item"]))
                if session is not None:
                    reply = {"type": "cart", "cart": session["cart"]}
            await ws.send(json.dumps(reply))
