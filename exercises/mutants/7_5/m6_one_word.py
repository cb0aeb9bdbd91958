"""7.5 one word: your test accepted a server whose error reply holds the text of the exception. Look for what only the inside knows: the body that you sent."""

import asyncio
import json

from websockets import connect


async def leak_test(url):
    heard = ""
    async with connect(url) as ws:
        await ws.send(json.dumps({"id": 1, "type": "crash", "body": "please fail"}))
        try:
            while True:
                heard += await asyncio.wait_for(ws.recv(), 1)
        except TimeoutError:
            pass
    assert "Traceback" not in heard
