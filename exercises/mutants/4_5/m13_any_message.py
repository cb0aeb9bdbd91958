"""4.5 any message: your test accepted silent servers that greet. It took the greeting for your message."""

import asyncio

from websockets import connect


async def broadcast_test(urls):
    for url in urls:
        clients = [await connect(url) for url in urls]
        speaker = await connect(url)
        await speaker.send("is anybody there?")
        for client in clients:
            try:
                await asyncio.wait_for(client.recv(), 1)
            except TimeoutError:
                raise AssertionError("nothing was heard") from None
        for client in [speaker, *clients]:
            await client.close()
