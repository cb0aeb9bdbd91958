"""4.3 publish: took more than {s} s: closing a client that does not read waits for close_timeout."""

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
            if queue.full():
                del self.queues[ws]
                self.evicted += 1
                await ws.close(1013, "too slow")
            else:
                queue.put_nowait(message)
