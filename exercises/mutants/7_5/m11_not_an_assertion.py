"""7.5 exception: with {server} your test raised {error}. It has to end quietly, or with AssertionError."""

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
                reply = json.loads(await asyncio.wait_for(ws.recv(), 1))
                assert secret not in str(reply)
        except TimeoutError:
            pass
