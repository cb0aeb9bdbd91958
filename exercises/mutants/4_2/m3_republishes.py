"""4.2 storm: {n} publications for 1 message."""

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
                await self.say(message)
        finally:
            self.clients.discard(ws)

    async def say(self, message):
        broadcast(self.clients, message)
        await self.backplane.publish("chat", message.encode())

    async def deliver(self, message):
        await self.say(message.data.decode())

    async def stop(self):
        await self.subscription.unsubscribe()
