"""4.2 reach: {k} of 9 clients got the message: your handler raised TypeError: what is published is bytes, not str: message.encode()."""

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
                await self.backplane.publish("chat", message)
        finally:
            self.clients.discard(ws)

    async def deliver(self, message):
        broadcast(self.clients, message.data)

    async def stop(self):
        await self.subscription.unsubscribe()
