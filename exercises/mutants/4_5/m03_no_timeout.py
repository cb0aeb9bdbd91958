"""4.5 time-out: your test has not ended 12 s after it met {servers}. Does it wait for a message that never comes? Give up after a second."""

import uuid

from websockets import connect


async def broadcast_test(urls):
    clients = [await connect(url) for url in urls]
    for speaker in clients:
        word = uuid.uuid4().hex
        await speaker.send(word)
        for client in clients:
            while word not in await client.recv():
                pass
    for client in clients:
        await client.close()
