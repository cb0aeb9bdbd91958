"""4.5 always passes: your test accepted all servers, also those that tell nobody. A test that cannot fail tests nothing."""

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    for client in clients:
        await client.send("is anybody there?")
    for client in clients:
        await client.close()
