"""4.3 stall: the fast client had {n} of 400 when publishing stopped at the slow one."""

from websockets import ConnectionClosed


class Hub:
    def __init__(self, limit=64):
        self.evicted = 0
        self.clients = set()

    async def handler(self, ws):
        self.clients.add(ws)
        try:
            await ws.wait_closed()
        finally:
            self.clients.discard(ws)

    async def publish(self, message):
        for client in list(self.clients):
            try:
                await client.send(message)
            except ConnectionClosed:
                pass
