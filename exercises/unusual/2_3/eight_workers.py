"""Eight workers at one queue, in an object with `async def __call__`."""

import asyncio
import json


class Pool:
    async def __call__(self, ws, process):
        queue = asyncio.Queue()

        async def worker():
            while True:
                request = await queue.get()
                await ws.send(json.dumps(request | {"body": await process(request["body"])}))

        workers = [asyncio.ensure_future(worker()) for _ in range(8)]
        try:
            while True:
                message = await ws.recv()
                await queue.put(json.loads(message))
        except Exception:
            [worker.cancel() for worker in workers]
            await asyncio.wait(workers)


rpc_handler = Pool()
