"""4.3 publish: it returned a coroutine. It never waits, so it is written with def, without async."""

import asyncio

from websockets import ConnectionClosed


class Hub:
    def __init__(self, limit=64):
        self.limit = limit
        self.evicted = 0
        self.queues = {}
        self.evictions = set()

    async def handler(self, ws):
        queue = self.queues[ws] = asyncio.Queue(self.limit)
        writer = asyncio.create_task(self.write(ws, queue))
        try:
            await ws.wait_closed()
        finally:
            self.queues.pop(ws, None)
            writer.cancel()

    async def write(self, ws, queue):
        try:
            while True:
                await ws.send(await queue.get())
        except ConnectionClosed:
            pass

    async def publish(self, message):
        for ws, queue in list(self.queues.items()):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                del self.queues[ws]
                self.evicted += 1
                self.evictions.add(asyncio.create_task(self.evict(ws)))

    async def evict(self, ws):
        try:
            await asyncio.wait_for(ws.close(1013, "too slow"), 1)
        except TimeoutError:
            ws.transport.abort()
