"""1.3 never awaited: RuntimeWarning from your code: coroutine 'Connection.send' was never awaited. Put await before it."""

import asyncio


async def ticker(ws, feed):
    async for number in feed:
        ws.send(str(number))
        await asyncio.sleep(0.1)
