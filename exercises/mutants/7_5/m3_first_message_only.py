"""7.5 first message: your test accepted a server that greets and then leaks. Look at every message, not only at the first."""

import json
import uuid

from websockets import connect


async def leak_test(url):
    secret = uuid.uuid4().hex
    async with connect(url) as ws:
        await ws.send(json.dumps({"id": 1, "type": "crash", "body": secret}))
        assert secret not in await ws.recv()
