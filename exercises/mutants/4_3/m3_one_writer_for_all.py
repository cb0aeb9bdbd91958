"""4.3 stall: one unfinished send holds back every next message."""

import asyncio


class Hub:
    def __init__(self, limit=64):
        self.evicted = 0
        self.clients = set()
        self.queue = asyncio.Queue()
        self.writer = asyncio.create_task(self.write())

    async def handler(self, ws):
        self.clients.add(ws)
        try:
            await ws.wait_closed()
        finally:
            self.clients.discard(ws)

    async def write(self):
        while True:
            message = await self.queue.get()
            await asyncio.gather(*(client.send(message) for client in self.clients), return_exceptions=True)

    def publish(self, message):
        self.queue.put_nowait(message)
