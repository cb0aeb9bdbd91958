"""4.5 mute: your test accepted three servers of which the third tells nothing to the others. Speak at all of them."""

import asyncio
import uuid

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    word = uuid.uuid4().hex
    await clients[0].send(word)
    for client in clients:
        await hears(client, word)
    for client in clients:
        await client.close()


async def hears(client, word):
    try:
        while word not in await asyncio.wait_for(client.recv(), 1):
            pass
    except TimeoutError:
        raise AssertionError(f"{word} was not heard") from None
