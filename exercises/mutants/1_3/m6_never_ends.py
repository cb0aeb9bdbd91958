"""1.3 after close: your handler still runs 0.5 s after the client left. await ws.send(...) raises ConnectionClosed then: let it end the loop."""


async def ticker(ws, feed):
    async for number in feed:
        try:
            await ws.send(str(number))
        except Exception:
            pass
