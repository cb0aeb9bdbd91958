"""1.3 second client: it waited {s} s while the first slept. time.sleep stops every connection of the loop."""

import time

from websockets import ConnectionClosed


async def ticker(ws, feed):
    try:
        async for number in feed:
            time.sleep(0.1)
            await ws.send(str(number))
    except ConnectionClosed:
        pass
