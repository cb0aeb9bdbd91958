"""6.2 two servers: instance B shows users of instance A."""

import json

from websockets import ConnectionClosed, broadcast


class Presence:
    tabs = {}

    async def handler(self, ws):
        try:
            user = await ws.recv()
        except ConnectionClosed:
            return
        if user not in self.tabs:
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
