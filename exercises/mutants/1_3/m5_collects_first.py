"""1.3 liveness: the first number must arrive before the last is produced; saw all {n} at once."""


async def ticker(ws, feed):
    numbers = [number async for number in feed]
    for number in numbers:
        await ws.send(str(number))
