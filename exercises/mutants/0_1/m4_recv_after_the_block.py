"""0.1 too late: you called recv() on a connection that was closed already. The end of the 'async with' block closes it: move the line into the block."""

from websockets import connect


async def ask(url, question):
    async with connect(url) as ws:
        await ws.send(question)
    return await ws.recv()
