"""4.5 always fails: your test rejected all servers, also the right ones. A test that cannot pass tests nothing."""

import asyncio

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    await clients[0].send("is anybody there?")
    for client in clients:
        try:
            answer = await asyncio.wait_for(client.recv(), 1)
        except TimeoutError:
            answer = "nothing"
        assert answer == "yes", answer
    for client in clients:
        await client.close()
