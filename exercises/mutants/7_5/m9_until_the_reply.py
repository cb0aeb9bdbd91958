"""7.5 after: your test accepted a server that leaks in a message after its clean error reply. Go on listening until nothing comes for a second."""

import asyncio
import json
import uuid

from websockets import connect


async def leak_test(url):
    secret = uuid.uuid4().hex
    async with connect(url) as ws:
        await ws.send(json.dumps({"id": 1, "type": "crash", "body": secret}))
        try:
            while True:
                message = await asyncio.wait_for(ws.recv(), 1)
                assert secret not in message
                if '"error"' in message:  # this was the reply
                    return
        except TimeoutError:
            return
