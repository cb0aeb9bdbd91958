"""0.1 sleep: your client waited, but it sent nothing. Waiting does not run a coroutine that nobody awaits."""

import asyncio

from websockets import connect


async def ask(url, question):
    async with connect(url) as ws:
        ws.send(question)
        await asyncio.sleep(0.2)
        return await ws.recv()
