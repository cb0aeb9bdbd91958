"""6.2 two tabs: {did}, and {text} was sent; expected nothing."""

import json

from websockets import ConnectionClosed, broadcast


class Presence:
    def __init__(self):
        self.tabs = {}

    async def handler(self, ws):
        try:
            user = await ws.recv()
        except ConnectionClosed:
            return
        self.tell("join", user)
        self.tabs.setdefault(user, set()).add(ws)
        try:
            async for _ in ws:
                pass
        except ConnectionClosed:
            pass
        finally:
            self.tabs[user].discard(ws)
            if not self.tabs[user]:
                del self.tabs[user]
                self.tell("leave", user)

    def online(self):
        return set(self.tabs)

    def tell(self, kind, user):
        others = [ws for tabs in self.tabs.values() for ws in tabs]
        broadcast(others, json.dumps({"type": kind, "user": user}))
