"""Tells its own clients at once, marks what it publishes, and skips what carries its own mark."""

import json
import uuid

from websockets import ConnectionClosed


class ChatServer:
    def __init__(self):
        self.mark = uuid.uuid4().hex
        self.sockets = {}

    async def start(self, backplane):
        async def heard(msg):
            envelope = json.loads(msg.data)
            if envelope["from"] != self.mark:
                await self.tell(envelope["text"])

        self.backplane = backplane
        self.subscriptions = [await backplane.subscribe("chat.>", cb=heard)]

    async def tell(self, text):
        for ws in [*self.sockets.values()]:
            try:
                await ws.send(text)
            except ConnectionClosed:
                self.sockets.pop(ws.id, None)

    async def handler(self, ws):
        self.sockets[ws.id] = ws
        async for message in ws:
            await self.tell(message)
            await self.backplane.publish("chat.room.1", json.dumps({"from": self.mark, "text": message}).encode())

    async def stop(self):
        while self.subscriptions:
            await self.subscriptions.pop().unsubscribe()
