"""The handler is the writer, waits on an event for a list of encoded messages, and a slow client is aborted without a word."""

import asyncio
import collections


class Client:
    def __init__(self, transport):
        self.transport, self.waiting, self.more = transport, collections.deque(), asyncio.Event()


class Hub:
    def __init__(self, limit=64):
        self._limit, self._clients, self.evicted = limit, [], 0

    async def handler(self, ws):
        client = Client(ws.transport)
        self._clients.append(client)
        left = asyncio.create_task(ws.wait_closed())
        left.add_done_callback(lambda task: client.more.set())
        try:
            while not left.done():
                await client.more.wait()
                client.more.clear()
                while client.waiting and not left.done():
                    await ws.send(client.waiting.popleft(), text=True)
        finally:
            left.cancel()
            if client in self._clients:
                self._clients.remove(client)

    def publish(self, message):
        data = message.encode()
        for client in self._clients[:]:
            if len(client.waiting) >= self._limit:
                self._clients.remove(client)
                self.evicted += 1
                client.transport.abort()
            else:
                client.waiting.append(data)
                client.more.set()
