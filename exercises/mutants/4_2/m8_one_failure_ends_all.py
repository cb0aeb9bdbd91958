"""4.2 failing client: {n} clients missed the message, because the connection of another one had ended. Catch ConnectionClosed for each client, or use broadcast()."""


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
        for ws in list(self.clients):
            await ws.send(message.data.decode())

    async def stop(self):
        await self.subscription.unsubscribe()
