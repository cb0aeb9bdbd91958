"""1.3 start: the server log says {error} and the client got 1011. Since version 14 a handler is not given the path: it is called with the connection, here also with the feed; the path is ws.request.path."""

import asyncio
import time


async def ticker(ws, path, feed):
    async def send_all():
        async for number in feed:
            ws.send(str(number))
            time.sleep(0.1)

    asyncio.create_task(send_all())
