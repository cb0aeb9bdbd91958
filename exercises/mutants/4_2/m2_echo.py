"""4.2 exactly once: clients on server {s} got it twice: your server also hears its own publication."""

from websockets import broadcast


class ChatServer:
    def __init__(self):
        self.clients = set()

    async def start(self, backplane):
        self.backplane = backplane
        self.subscription = await backplane.subscribe("chat", cb=self.deliver)

    async def handler(self, ws):
        self.clients.add(ws)
        try:
            async for message in ws:
                broadcast(self.clients, message)
                await self.backplane.publish("chat", message.encode())
        finally:
            self.clients.discard(ws)

    async def deliver(self, message):
        broadcast(self.clients, message.data.decode())

    async def stop(self):
        await self.subscription.unsubscribe()
