"""4.2 churn: RuntimeError: Set changed size during iteration; {n} clients missed the message."""

from websockets import ConnectionClosed


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
                await self.backplane.publish("chat", message.encode())
        finally:
            self.clients.discard(ws)

    async def deliver(self, message):
        for ws in self.clients:
            try:
                await ws.send(message.data.decode())
            except ConnectionClosed:
                pass

    async def stop(self):
        await self.subscription.unsubscribe()
