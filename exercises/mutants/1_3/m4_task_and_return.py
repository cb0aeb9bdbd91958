"""1.3 numbers: expected {n}, got {k}, then ConnectionClosedOK 1000: your handler returned while the task still wanted to send."""

import asyncio


async def ticker(ws, feed):
    async def send_all():
        async for number in feed:
            await ws.send(str(number))
            await asyncio.sleep(0.1)

    asyncio.create_task(send_all())
