"""7.5 always passes: your test accepted every server, also those that leak. A test that cannot fail tests nothing."""

import json

from websockets import connect


async def leak_test(url):
    async with connect(url) as ws:
        await ws.send(json.dumps({"id": 1, "type": "crash", "body": "a secret of mine"}))
        assert await ws.recv()
