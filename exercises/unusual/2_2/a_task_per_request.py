"""Answers out of order, one task per request, and adds a field of its own."""

import asyncio
import json


async def rpc_handler(ws, process):
    async def answer(id, body):
        await ws.send(json.dumps({"ok": True, "body": await process(body), "id": id}))

    async with asyncio.TaskGroup() as tasks:
        async for message in ws:
            tasks.create_task(answer(**json.loads(message)))
