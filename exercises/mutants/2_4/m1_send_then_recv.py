"""2.4 concurrent calls: ConcurrencyError: two coroutines called recv. Let one reader task hand out the answers."""

import asyncio
import json


class RpcClient:
    def __init__(self, ws):
        self.ws = ws
        self.events = asyncio.Queue()
        self.last_id = 0

    async def call(self, body, timeout=1.0):
        self.last_id += 1
        await self.ws.send(json.dumps({"id": self.last_id, "body": body}))
        async with asyncio.timeout(timeout):
            return json.loads(await self.ws.recv())["body"]

    async def close(self):
        await self.ws.close()
