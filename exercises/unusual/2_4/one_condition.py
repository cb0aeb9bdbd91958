"""No future at all: the calls wait at one condition until the reader has noted their answer, or the end. Ids are texts."""

import asyncio
import json
from contextlib import suppress

from websockets import ConnectionClosed


class RpcClient:
    def __init__(self, ws):
        self._ws, self._ids, self._wanted, self._got, self._end = ws, set(), set(), {}, None
        self.events = asyncio.Queue()
        self._news = asyncio.Condition()
        self._task = asyncio.ensure_future(self._read())

    async def call(self, body, timeout=1.0):
        async with asyncio.timeout(timeout):
            id = f"{body!r}/{len(self._ids)}"
            self._ids.add(id)
            self._wanted.add(id)
            try:
                await self._ws.send(json.dumps({"body": body, "id": id, "v": 1}))
                async with self._news:
                    await self._news.wait_for(lambda: id in self._got or self._end)
                if id in self._got:
                    return self._got[id]
                raise self._end
            finally:
                self._wanted.discard(id)
                self._got.pop(id, None)

    async def _read(self):
        while self._end is None:
            try:
                message = json.loads(await self._ws.recv())
            except ConnectionClosed as exc:
                self._end = exc
            else:
                if message.get("id") in self._wanted:
                    self._got[message["id"]] = message["body"]
                elif message.get("id") not in self._ids:
                    await self.events.put(message)
            async with self._news:
                self._news.notify_all()

    async def close(self):
        with suppress(ConnectionClosed):
            await self._ws.close()
        await asyncio.gather(self._task)
