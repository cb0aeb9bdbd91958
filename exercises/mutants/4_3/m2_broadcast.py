"""4.3 memory: {mb} MB wait on the server for one client; broadcast() never says no."""

from websockets import broadcast


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

    def publish(self, message):
        broadcast(self.clients, message)
