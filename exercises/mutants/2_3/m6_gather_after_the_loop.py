"""2.3 liveness: no answer arrived until the client stopped sending."""

import asyncio
import json


async def rpc_handler(ws, process):
    places = asyncio.Semaphore(8)
    work = []

    async def answer(request):
        async with places:
            result = await process(request["body"])
        await ws.send(json.dumps({"id": request["id"], "body": result}))

    async for message in ws:
        work.append(answer(json.loads(message)))
    await asyncio.gather(*work)
