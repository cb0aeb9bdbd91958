"""4.5 wrapped: your test rejected right servers because they wrap the message in JSON. Look for your text in what comes."""

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
        while await asyncio.wait_for(client.recv(), 1) != word:
            pass
    except TimeoutError:
        raise AssertionError(f"{word} was not heard") from None
