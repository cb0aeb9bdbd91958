"""0.2 after close: your handler still runs 0.5 s after the client left. Use 'async for message in ws': that loop ends by itself; or leave the loop on ConnectionClosed."""


async def echo(ws):
    while True:
        try:
            await ws.send(await ws.recv())
        except Exception:
            pass
