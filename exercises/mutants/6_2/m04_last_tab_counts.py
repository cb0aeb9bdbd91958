"""6.2 two tabs: closing one tab made {user} offline."""

import json

from websockets import ConnectionClosed, broadcast


class Presence:
    def __init__(self):
        self.connections = {}

    async def handler(self, ws):
        user = await ws.recv()
        if user not in self.connections:
            self.tell("join", user)
        self.connections[user] = ws
        try:
            async for _ in ws:
                pass
        except ConnectionClosed:
            pass
        finally:
            if self.connections.get(user) is ws:
                del self.connections[user]
                self.tell("leave", user)

    def online(self):
        return set(self.connections)

    def tell(self, kind, user):
        broadcast(self.connections.values(), json.dumps({"type": kind, "user": user}))
