"""A queue for each call in a closure, wait() instead of wait_for(), ids in lists of one; close() cancels the reader first."""

import asyncio
import itertools
import json

from websockets.exceptions import ConnectionClosedError


class RpcClient:
    def __init__(self, ws):
        queues, late, numbers = {}, set(), itertools.count(10**6)
        self.events = asyncio.Queue()

        async def call(body, timeout=1.0):
            number = next(numbers)
            queues[number] = asyncio.Queue()
            answer = asyncio.create_task(queues[number].get())
            try:
                await ws.send(json.dumps({"id": [number], "body": body}))
                await asyncio.wait([answer], timeout=timeout)
                if not answer.done():
                    late.add(number)
                    raise TimeoutError(f"no answer in {timeout} s")
                message = answer.result()
                if message is None:
                    raise ConnectionClosedError(None, None)
                return message["body"]
            finally:
                answer.cancel()
                del queues[number]

        async def read():
            try:
                async for text in ws:
                    match json.loads(text):
                        case {"id": [int(number)], "body": _} as message if number in queues:
                            queues[number].put_nowait(message)
                        case {"id": [int(number)]} if number in late:
                            late.remove(number)
                        case message:
                            self.events.put_nowait(message)
            finally:
                for queue in queues.values():
                    queue.put_nowait(None)

        async def close():
            reader.cancel()
            await asyncio.wait([reader])
            await ws.close(1001)

        reader = asyncio.create_task(read())
        self.call, self.close = call, close
