"""2.3 limit: only {n} of 20 requests ran at once; up to 8 should."""

import asyncio
import json


async def rpc_handler(ws, process):
    places = asyncio.Semaphore(2)
    tasks = set()

    async def answer(request):
        async with places:
            result = await process(request["body"])
        await ws.send(json.dumps({"id": request["id"], "body": result}))

    try:
        async for message in ws:
            task = asyncio.create_task(answer(json.loads(message)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()
