"""4.2 stop: after stop() your server is still subscribed. Keep what subscribe() returned, and await its unsubscribe()."""

from websockets import broadcast


class ChatServer:
    def __init__(self):
        self.clients = set()

    async def start(self, backplane):
        self.backplane = backplane
        await backplane.subscribe("chat", cb=self.deliver)

    async def handler(self, ws):
        self.clients.add(ws)
        try:
            async for message in ws:
                await self.backplane.publish("chat", message.encode())
        finally:
            self.clients.discard(ws)

    async def deliver(self, message):
        broadcast(self.clients, message.data.decode())

    async def stop(self):
        self.clients.clear()
