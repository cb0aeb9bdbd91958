"""4.3 left behind: {n} of your tasks still run after all clients have left. Cancel the writer when the handler ends."""

import asyncio

from websockets import ConnectionClosed


class Hub:
    def __init__(self, limit=64):
        self.limit = limit
        self.evicted = 0
        self.queues = {}
        self.tasks = set()

    async def handler(self, ws):
        queue = self.queues[ws] = asyncio.Queue(self.limit)
        self.tasks.add(asyncio.create_task(self.write(ws, queue)))
        await ws.wait_closed()
        self.queues.pop(ws, None)

    async def write(self, ws, queue):
        try:
            while True:
                await ws.send(await queue.get())
        except ConnectionClosed:
            pass

    def publish(self, message):
        for ws, queue in list(self.queues.items()):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                del self.queues[ws]
                self.evicted += 1
                self.tasks.add(asyncio.create_task(self.evict(ws)))

    async def evict(self, ws):
        try:
            await asyncio.wait_for(ws.close(1013, "too slow"), 1)
        except TimeoutError:
            ws.transport.abort()
