"""2.3 clean-up: {n} of your tasks still run 0.2 s after the client left."""

import asyncio
import json


async def rpc_handler(ws, process):
    places = asyncio.Semaphore(8)
    tasks = set()

    async def answer(request):
        async with places:
            result = await process(request["body"])
        await ws.send(json.dumps({"id": request["id"], "body": result}))

    async for message in ws:
        task = asyncio.create_task(answer(json.loads(message)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
