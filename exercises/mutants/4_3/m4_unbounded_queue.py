"""4.3 memory: {n} messages wait on the server for one client, allowed {limit}."""

import asyncio

from websockets import ConnectionClosed


class Hub:
    def __init__(self, limit=64):
        self.evicted = 0
        self.queues = {}

    async def handler(self, ws):
        queue = self.queues[ws] = asyncio.Queue()
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
            queue.put_nowait(message)
