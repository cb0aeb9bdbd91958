"""2.3 clean-up: {n} of your tasks still run 0.2 s after the client left."""

import asyncio
import json


async def rpc_handler(ws, process):
    places = asyncio.Semaphore(8)

    async def answer(request):
        async with places:
            result = await process(request["body"])
        await ws.send(json.dumps({"id": request["id"], "body": result}))

    async with asyncio.TaskGroup() as tasks:
        async for message in ws:
            tasks.create_task(answer(json.loads(message)))
