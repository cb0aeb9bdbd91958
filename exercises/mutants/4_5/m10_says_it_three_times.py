"""4.5 work queue: your test accepted servers of which only one tells its clients, each time another one. Every client has to hear the same message."""

import asyncio
import uuid

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    word = uuid.uuid4().hex
    for _ in range(3):  # to be on the safe side
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
