"""4.3 stall: one unfinished send holds back every next message."""

import asyncio


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
        await asyncio.gather(*(client.send(message) for client in self.clients), return_exceptions=True)
