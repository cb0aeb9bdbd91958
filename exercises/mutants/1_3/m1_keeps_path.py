"""1.3 start: the server log says {error} and the client got 1011. Since version 14 a handler is not given the path: it is called with the connection, here also with the feed; the path is ws.request.path."""

import asyncio


async def ticker(ws, feed, path):
    async for number in feed:
        await ws.send(str(number))
        await asyncio.sleep(0.1)
