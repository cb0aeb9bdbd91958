"""7.5 body: your test sends {body}, which a right server may say, too. Send something that nobody says by chance."""

import asyncio
import json

from websockets import connect


async def leak_test(url):
    heard = ""
    async with connect(url) as ws:
        await ws.send(json.dumps({"id": 1, "type": "crash", "body": "error"}))
        try:
            while True:
                heard += await asyncio.wait_for(ws.recv(), 1)
        except TimeoutError:
            pass
    assert "error" not in heard.lower()
