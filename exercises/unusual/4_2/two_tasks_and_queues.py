"""Publishes from one task, reads the subscription's messages in another, sends all at once; leaves by closing the connection."""

import asyncio


class ChatServer:
    def __init__(self):
        self.clients, self.outgoing, self.tasks = [], asyncio.Queue(), []

    async def start(self, nats):
        self.nats = nats
        subscription = await nats.subscribe("everything")
        self.tasks = [asyncio.create_task(self.publish()), asyncio.create_task(self.listen(subscription.messages))]

    async def publish(self):
        while True:
            await self.nats.publish("everything", (await self.outgoing.get()).encode("utf-8"))

    async def listen(self, messages):
        async for msg in messages:
            await asyncio.gather(*(ws.send(msg.data, text=True) for ws in self.clients), return_exceptions=True)

    async def handler(self, ws):
        self.clients.append(ws)
        try:
            async for message in ws:
                self.outgoing.put_nowait(message)
        finally:
            self.clients.remove(ws)

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await self.nats.drain()
