"""7.5 beside: your test accepted a server that leaks beside its clean error reply. Look at every message, not only at the reply."""

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
                if "error" in message:  # this is the reply
                    assert secret not in message
        except TimeoutError:
            pass
