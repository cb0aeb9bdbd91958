"""4.5 own clients: your test accepted servers that tell all clients but their own. Listen also where you speak."""

import asyncio
import uuid

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    for speaker in clients:
        word = uuid.uuid4().hex
        await speaker.send(word)
        for client in clients:
            if client is not speaker:
                await hears(client, word)
    for client in clients:
        await client.close()


async def hears(client, word):
    try:
        while word not in await asyncio.wait_for(client.recv(), 1):
            pass
    except TimeoutError:
        raise AssertionError(f"{word} was not heard") from None
