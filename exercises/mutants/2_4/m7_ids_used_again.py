"""2.4 late answer: call({asked}) returned {late}, the answer to an earlier call that had given up. Never use an id twice."""

import asyncio
import json

from websockets import ConnectionClosed


class RpcClient:
    def __init__(self, ws):
        self.ws = ws
        self.events = asyncio.Queue()
        self.last_id = 0
        self.waiting = {}
        self.reader = asyncio.create_task(self.read())

    async def call(self, body, timeout=1.0):
        number = next(number for number in range(1, 1000) if number not in self.waiting)
        self.last_id = max(self.last_id, number)
        future = self.waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self.ws.send(json.dumps({"id": number, "body": body}))
            return await asyncio.wait_for(future, timeout)
        finally:
            self.waiting.pop(number, None)

    async def read(self):
        try:
            while True:
                self.hand_out(json.loads(await self.ws.recv()))
        except ConnectionClosed as end:
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(end)

    def hand_out(self, message):
        number = message.get("id")
        if number in self.waiting:
            self.waiting.pop(number).set_result(message["body"])
        elif number not in range(1, self.last_id + 1):
            self.events.put_nowait(message)

    async def close(self):
        await self.ws.close()
        await self.reader
