class RpcClient:
    def __init__(self, ws):
        self.ws = ws
        self.events = asyncio.Queue()
        self.last_id = 0
        self.waiting = {}  # the future of each call that waits, by id
        self.reader = asyncio.create_task(self.read())

    async def call(self, body, timeout=1.0):
        self.last_id += 1
        number = self.last_id
        future = self.waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self.ws.send(json.dumps({"id": number, "body": body}))
            return await asyncio.wait_for(future, timeout)
        finally:
            ...  # clean up: however this call ends, nobody waits for its id any more

    async def read(self):
        try:
            while True:
                self.hand_out(json.loads(await self.ws.recv()))
        except ConnectionClosed as end:
            ...  # clean up: every future that still waits fails with  end

    def hand_out(self, message):
        number = message.get("id")
        if number in self.waiting:
            if not self.waiting[number].done():
                self.waiting[number].set_result(message["body"])
        elif number not in range(1, self.last_id + 1):  # an id of ours is a late answer: dropped
            self.events.put_nowait(message)

    async def close(self):
        await self.ws.close()
        await self.reader
