"""1.3 numbers: expected {n}, got {k}, then ConnectionClosedOK 1000: your handler returned before the feed had ended. Stay in the loop over the feed."""


async def ticker(ws, feed):
    async for number in feed:
        await ws.send(str(number))
        return
