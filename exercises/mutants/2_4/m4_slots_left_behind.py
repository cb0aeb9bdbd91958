"""2.4 time-out: {n} pending entries are left after TimeoutError."""

import asyncio
import json

from websockets import ConnectionClosed


class RpcClient:
    def __init__(self, ws):
        self.ws = ws
        self.events = asyncio.Queue()
        self.last_id = 0
        self.reader = asyncio.create_task(self.read(waiting := {}))
        self.slot = waiting.setdefault
        self.forget = waiting.pop

    async def call(self, body, timeout=1.0):
        self.last_id += 1
        number = self.last_id
        slot = self.slot(number, asyncio.Queue(1))
        await self.ws.send(json.dumps({"id": number, "body": body}))
        result = await asyncio.wait_for(slot.get(), timeout)
        self.forget(number)
        if isinstance(result, Exception):
            raise result
        return result

    async def read(self, waiting):
        try:
            while True:
                self.hand_out(waiting, json.loads(await self.ws.recv()))
        except ConnectionClosed as end:
            for slot in waiting.values():
                slot.put_nowait(end)

    def hand_out(self, waiting, message):
        number = message.get("id")
        if number in waiting:
            waiting[number].put_nowait(message["body"])
        elif number not in range(1, self.last_id + 1):
            self.events.put_nowait(message)

    async def close(self):
        await self.ws.close()
        await self.reader
