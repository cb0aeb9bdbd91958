"""6.2 abort: your handler raised ConnectionClosedError; see the log."""

import json

from websockets import ConnectionClosed, ConnectionClosedOK, broadcast


class Presence:
    def __init__(self):
        self.tabs = {}

    async def handler(self, ws):
        try:
            user = await ws.recv()
        except ConnectionClosed:
            return
        if user not in self.tabs:
            self.tell("join", user)
        self.tabs.setdefault(user, set()).add(ws)
        try:
            while True:
                await ws.recv()
        except ConnectionClosedOK:
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
