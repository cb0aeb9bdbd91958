"""Reads and writes in one task group; the full queue is noticed by the handler, which closes with a time-out of its own."""

import asyncio

from websockets import ConnectionClosed


class TooSlow(Exception):
    pass


class Hub:
    evicted = 0

    def __init__(self, limit=64):
        self.limit, self.room = limit, {}

    async def handler(self, ws):
        full = asyncio.get_running_loop().create_future()
        queue = asyncio.Queue(maxsize=self.limit)
        self.room[ws.id] = queue, full
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.write(ws, queue))
                group.create_task(self.watch(full))
                async for _ in ws:
                    pass
                raise ConnectionClosed(None, None)
        except* TooSlow:
            asyncio.get_running_loop().call_later(0.5, ws.transport.abort)
            await ws.close(1013, "too slow")
        except* ConnectionClosed:
            pass
        finally:
            self.room.pop(ws.id, None)

    async def watch(self, full):
        await full
        raise TooSlow

    async def write(self, ws, queue):
        while True:
            await ws.send(await queue.get())
            queue.task_done()

    def publish(self, message):
        for key in tuple(self.room):
            queue, full = self.room[key]
            if queue.full():
                self.room.pop(key)
                self.evicted += 1
                full.set_result(None)
            else:
                queue.put_nowait(message)
