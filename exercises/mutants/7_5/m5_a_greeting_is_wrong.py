"""7.5 greeting: your test rejected a right server because it greets before it answers."""

import asyncio
import json
import uuid

from websockets import connect


async def leak_test(url):
    secret = uuid.uuid4().hex
    async with connect(url) as ws:
        await ws.send(json.dumps({"id": 1, "type": "crash", "body": secret}))
        reply = await ws.recv()
        assert '"error"' in reply or "wrong" in reply, "this is no error reply"
        try:
            while True:
                assert secret not in reply
                reply = await asyncio.wait_for(ws.recv(), 1)
        except TimeoutError:
            pass
