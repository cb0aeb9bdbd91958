"""4.5 notice: your test accepted servers that tell the others that there is a message, and not which. Look for your text in what comes."""

import asyncio

from websockets import connect


async def quiet(client):
    """Read until nothing comes for a second; returns how many messages there were."""
    number = 0
    try:
        while True:
            await asyncio.wait_for(client.recv(), 1)
            number += 1
    except TimeoutError:
        return number


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    await asyncio.gather(*map(quiet, clients))  # the greetings
    for speaker in clients:
        await speaker.send("is anybody there?")
        heard = await asyncio.gather(*map(quiet, clients))
        assert all(heard), f"heard: {heard}"
    for client in clients:
        await client.close()
