class ChatServer:
    def __init__(self):
        self.clients = set()

    async def start(self, backplane):
        self.backplane = backplane
        self.subscription = await backplane.subscribe("chat", cb=self.deliver)

    async def handler(self, ws):
        self.clients.add(ws)  # 1 accept
        try:
            async for message in ws:  # 2 read
                ...  # 3 decide: who has to know of it? All servers, this one, too
        finally:
            self.clients.discard(ws)  # 5 clean up

    async def deliver(self, message): ...  # 4 answer: tell the clients of this server; message.data are bytes

    async def stop(self):
        await self.subscription.unsubscribe()
