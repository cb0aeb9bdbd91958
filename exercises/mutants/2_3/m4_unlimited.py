"""2.3 limit: {n} requests ran at once, at most 8 allowed."""

import asyncio
import json


async def rpc_handler(ws, process):
    tasks = []

    async def answer(request):
        result = await process(request["body"])
        await ws.send(json.dumps({"id": request["id"], "body": result}))

    try:
        async for message in ws:
            tasks.append(asyncio.create_task(answer(json.loads(message))))
    finally:
        for task in tasks:
            task.cancel()
