class Hub:
    def __init__(self, limit=64):
        self.limit = limit
        self.evicted = 0
        self.queues = {}  # the queue of each client
        self.evictions = set()

    async def handler(self, ws):
        queue = self.queues[ws] = asyncio.Queue(self.limit)  # 1 accept
        writer = asyncio.create_task(self.write(ws, queue))
        try:
            await ws.wait_closed()  # 2 read: nothing but the end
        finally:
            ...  # 5 clean up: the queue and the writer of this client

    async def write(self, ws, queue):
        with contextlib.suppress(ConnectionClosed):
            while True:
                ...  # 4 answer: take one message and send it

    def publish(self, message):
        for ws, queue in list(self.queues.items()):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:  # 3 decide: it is too slow
                del self.queues[ws]
                self.evicted += 1
                task = asyncio.create_task(self.evict(ws))
                self.evictions.add(task)
                task.add_done_callback(self.evictions.discard)

    async def evict(self, ws):
        try:
            await asyncio.wait_for(ws.close(1013, "too slow"), 1)
        except TimeoutError:
            ws.transport.abort()
