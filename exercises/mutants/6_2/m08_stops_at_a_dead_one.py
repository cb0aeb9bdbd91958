"""6.2 leave: others were not told: sending to the closed connection raised."""

import json

from websockets import ConnectionClosed


class Presence:
    def __init__(self):
        self.connections = []  # with the name of the user

    async def handler(self, ws):
        user = await ws.recv()
        if user not in self.online():
            await self.tell("join", user)
        self.connections.append((user, ws))
        try:
            async for _ in ws:
                pass
        except ConnectionClosed:
            pass
        finally:
            self.connections.remove((user, ws))
            if user not in self.online():
                await self.tell("leave", user)

    def online(self):
        return {name for name, _ in self.connections}

    async def tell(self, kind, user):
        for _, ws in self.connections:
            await ws.send(json.dumps({"type": kind, "user": user}))
