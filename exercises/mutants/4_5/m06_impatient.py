"""4.5 slow: your test rejected right servers because they are slow. Slow is not silent."""

import asyncio
import uuid

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    for speaker in clients:
        word = uuid.uuid4().hex
        await speaker.send(word)
        for client in clients:
            await hears(client, word)
    for client in clients:
        await client.close()


async def hears(client, word):
    try:
        while word not in await asyncio.wait_for(client.recv(), 0.1):
            pass
    except TimeoutError:
        raise AssertionError(f"{word} was not heard") from None
