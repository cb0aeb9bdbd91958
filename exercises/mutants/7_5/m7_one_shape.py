"""7.5 wrapped: your test rejected a right server because its JSON is built otherwise. What it tells counts, not how."""

import asyncio
import json
import uuid

from websockets import connect


async def leak_test(url):
    secret = uuid.uuid4().hex
    async with connect(url) as ws:
        await ws.send(json.dumps({"id": 1, "type": "crash", "body": secret}))
        found = False
        try:
            while True:
                message = await asyncio.wait_for(ws.recv(), 1)
                assert secret not in message
                found = found or '{"id": 1, "ok": false' in message[:30]
        except TimeoutError:
            pass
    assert found, "there was no error reply"
