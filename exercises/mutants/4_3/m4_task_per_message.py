"""4.3 memory: {n} messages wait on the server for one client, allowed {limit}."""

import asyncio


class Hub:
    def __init__(self, limit=64):
        self.evicted = 0
        self.clients = set()
        self.tasks = set()

    async def handler(self, ws):
        self.clients.add(ws)
        try:
            await ws.wait_closed()
        finally:
            self.clients.discard(ws)

    def publish(self, message):
        for client in self.clients:
            task = asyncio.create_task(self.send(client, message))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def send(self, client, message):
        try:
            await client.send(message)
        except Exception:
            pass
