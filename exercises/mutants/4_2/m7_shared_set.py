"""4.2 reach: everybody got the message, but nothing crossed the backplane. Here your three servers share a variable, because they run in one process; elsewhere they do not. What belongs to one server is made in __init__."""

from websockets import broadcast


class ChatServer:
    clients = set()

    async def start(self, backplane):
        self.subscription = await backplane.subscribe("chat", cb=self.deliver)

    async def handler(self, ws):
        self.clients.add(ws)
        try:
            async for message in ws:
                broadcast(self.clients, message)
        finally:
            self.clients.discard(ws)

    async def deliver(self, message):
        broadcast(self.clients, message.data.decode())

    async def stop(self):
        await self.subscription.unsubscribe()
