"""4.2 never awaited: RuntimeWarning from your code: coroutine 'Backplane.publish' was never awaited. Put await before it."""

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
                self.backplane.publish("chat", message.encode())
        finally:
            self.clients.discard(ws)

    async def deliver(self, message):
        broadcast(self.clients, message.data.decode())

    async def stop(self):
        await self.subscription.unsubscribe()
