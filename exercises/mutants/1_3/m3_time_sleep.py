"""1.3 second client: it waited {s} s while the first slept. time.sleep stops every connection of the loop."""

import time


async def ticker(ws, feed):
    async for number in feed:
        await ws.send(str(number))
        time.sleep(0.1)
