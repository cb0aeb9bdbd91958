"""4.5 exception: with {servers} your test raised {error}. It has to end quietly, or with AssertionError."""

import asyncio
import uuid

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    for speaker in clients:
        word = uuid.uuid4().hex
        await speaker.send(word)
        for client in clients:
            message = ""
            while word not in message:
                message = await asyncio.wait_for(client.recv(), 1)
            assert word in message
    for client in clients:
        await client.close()
