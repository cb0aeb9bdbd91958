"""4.2 start: start() had returned, and your server had not subscribed. What is published now is lost for its clients: await backplane.subscribe(...) in start()."""

from websockets import broadcast


class ChatServer:
    def __init__(self):
        self.clients = set()
        self.subscription = None

    async def start(self, backplane):
        self.backplane = backplane

    async def handler(self, ws):
        self.clients.add(ws)
        if self.subscription is None:
            self.subscription = True
            self.subscription = await self.backplane.subscribe("chat", cb=self.deliver)
        try:
            async for message in ws:
                await self.backplane.publish("chat", message.encode())
        finally:
            self.clients.discard(ws)

    async def deliver(self, message):
        broadcast(self.clients, message.data.decode())

    async def stop(self):
        await self.subscription.unsubscribe()
