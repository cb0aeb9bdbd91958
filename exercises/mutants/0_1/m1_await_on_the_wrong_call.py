"""0.1 send: the recording has no message from your client. ws.send(...) alone only makes a coroutine; await runs it."""

from websockets import connect


async def ask(url, question):
    async with await connect(url) as ws:
        ws.send(question)
        return await ws.recv()
