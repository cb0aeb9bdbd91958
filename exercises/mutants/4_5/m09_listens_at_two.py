"""4.5 deaf: your test accepted three servers of which the {number} tells its clients nothing. Listen at all of them."""

import asyncio
import uuid

from websockets import connect


async def broadcast_test(urls):
    async with connect(urls[0]) as first, connect(urls[1]) as second:
        for speaker in (first, second):
            word = uuid.uuid4().hex
            await speaker.send(word)
            await hears(first, word)
            await hears(second, word)


async def hears(client, word):
    try:
        while word not in await asyncio.wait_for(client.recv(), 1):
            pass
    except TimeoutError:
        raise AssertionError(f"{word} was not heard") from None
