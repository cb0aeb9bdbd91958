"""6.3 resume on server {s}: no session. What another server is to know must be in the store."""

import contextlib
import json
import secrets

from websockets import ConnectionClosed


class Sessions:
    def __init__(self, store, ttl, now):
        self.ttl, self.now = ttl, now
        self.sessions = {}

    async def open(self, user):
        token = secrets.token_urlsafe()
        self.sessions[token] = {"user": user, "cart": [], "until": self.now() + self.ttl}
        return token

    async def load(self, token):
        session = self.sessions.get(token)
        if session is None or self.now() >= session["until"]:
            return None
        return session

    async def update(self, token, fn):
        session = await self.load(token)
        if session is not None:
            session = self.sessions[token] = fn(session)
        return session


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
