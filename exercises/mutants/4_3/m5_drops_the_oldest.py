"""4.3 honesty: the slow client has a gap ({a} then {b}) and was not told. Evict it or send a resync marker."""

import asyncio

from websockets import ConnectionClosed


class Hub:
    def __init__(self, limit=64):
        self.limit = limit
        self.evicted = 0
        self.queues = {}

    async def handler(self, ws):
        queue = self.queues[ws] = asyncio.Queue(self.limit)
        writer = asyncio.create_task(self.write(ws, queue))
        try:
            await ws.wait_closed()
        finally:
            del self.queues[ws]
            writer.cancel()

    async def write(self, ws, queue):
        try:
            while True:
                await ws.send(await queue.get())
        except ConnectionClosed:
            pass

    def publish(self, message):
        for queue in self.queues.values():
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)
