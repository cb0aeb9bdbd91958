"""0.1 answer: your function returned the question itself. Wait for the answer inside the 'async with' block, and return what ws.recv() gives."""

from websockets import connect


async def ask(url, question):
    async with connect(url) as ws:
        await ws.send(question)
    return question
