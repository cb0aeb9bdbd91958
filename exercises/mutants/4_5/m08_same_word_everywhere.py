"""4.5 own server: your test accepted servers that tell only their own clients. Listen at all of them."""

import asyncio

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    for client in clients:
        await client.send("ping-4711")
    for client in clients:
        await hears(client, "ping-4711")
    for client in clients:
        await client.close()


async def hears(client, word):
    try:
        while word not in await asyncio.wait_for(client.recv(), 1):
            pass
    except TimeoutError:
        raise AssertionError(f"{word} was not heard") from None
