"""4.5 greeting: your test rejected right servers because they greet each client first."""

import asyncio
import uuid

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    for speaker in clients:
        word = uuid.uuid4().hex
        await speaker.send(word)
        for client in clients:
            try:
                message = await asyncio.wait_for(client.recv(), 1)
            except TimeoutError:
                message = "nothing"
            assert word in message, f"expected {word}, got {message}"
    for client in clients:
        await client.close()
