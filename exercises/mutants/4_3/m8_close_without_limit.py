"""4.3 eviction: still connected after {t} s. ws.close(...) waits for a client that does not read: give it a second at most, then ws.transport.abort()."""

import asyncio

from websockets import ConnectionClosed


class Hub:
    def __init__(self, limit=64):
        self.limit = limit
        self.evicted = 0
        self.queues = {}
        self.closing = set()

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

    def publish(self, message):
        for ws, queue in list(self.queues.items()):
            if queue.full():
                del self.queues[ws]
                self.evicted += 1
                self.closing.add(asyncio.create_task(ws.close(1013, "too slow")))
            else:
                queue.put_nowait(message)
