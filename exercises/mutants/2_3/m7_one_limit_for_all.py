"""2.3 limit: while 8 requests of one client ran, nothing was done for another client. Each connection has a limit of its own: make it inside the handler."""

import asyncio
import json

places = asyncio.Semaphore(8)


async def rpc_handler(ws, process):
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
