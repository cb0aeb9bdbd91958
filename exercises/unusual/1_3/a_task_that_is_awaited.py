"""Sends in a task, as the given code does, but stays until that task or the connection has ended."""

import asyncio


async def ticker(ws, feed):
    async def send_all():
        async for number in feed:
            await ws.send(str(number))

    sending, left = asyncio.create_task(send_all()), asyncio.create_task(ws.wait_closed())
    await asyncio.wait([sending, left], return_when=asyncio.FIRST_COMPLETED)
    for task in sending, left:
        task.cancel()
