"""4.2 order: client {c} saw {x} before {y} from the same sender."""

import asyncio

from websockets import broadcast


class ChatServer:
    def __init__(self):
        self.clients = set()
        self.tasks = set()

    async def start(self, backplane):
        self.backplane = backplane
        self.subscription = await backplane.subscribe("chat", cb=self.deliver)

    async def handler(self, ws):
        self.clients.add(ws)
        try:
            async for message in ws:
                task = asyncio.create_task(self.backplane.publish("chat", message.encode()))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        finally:
            self.clients.discard(ws)

    async def deliver(self, message):
        broadcast(self.clients, message.data.decode())

    async def stop(self):
        await self.subscription.unsubscribe()
