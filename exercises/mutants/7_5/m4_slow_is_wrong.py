"""7.5 slow: your test rejected a right server because it is slow. Slow is no leak."""

import asyncio
import json
import uuid

from websockets import connect


async def leak_test(url):
    secret = uuid.uuid4().hex
    heard = []
    async with connect(url) as ws:
        await ws.send(json.dumps({"id": 1, "type": "crash", "body": secret}))
        try:
            while True:
                heard.append(await asyncio.wait_for(ws.recv(), 0.2))
        except TimeoutError:
            pass
    assert heard, "no answer"
    assert not any(secret in message for message in heard)
