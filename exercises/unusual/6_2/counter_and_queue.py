"""Counts connections, compares who was online before and after, and has the others told by tasks of their own."""

import asyncio
import json
from collections import Counter

import websockets


class Presence:
    def __init__(self):
        self._who = Counter()
        self._outboxes = {}

    def online(self):
        return frozenset(+self._who)

    def _change(self, user, by):
        before = self.online()
        self._who[user] += by
        for kind, users in (("join", self.online() - before), ("leave", before - self.online())):
            for other, outbox in self._outboxes.values():
                for changed in users - {other}:
                    outbox.put_nowait({"user": changed, "type": kind})

    async def _write(self, ws, outbox):
        try:
            while True:
                await ws.send(json.dumps(await outbox.get()))
        except websockets.ConnectionClosed:
            return

    async def handler(self, ws):
        user, writer = None, None
        try:
            user = await ws.recv()
            outbox = asyncio.Queue()
            self._outboxes[ws.id] = (user, outbox)
            writer = asyncio.create_task(self._write(ws, outbox))
            self._change(user, +1)
            while True:
                await ws.recv()
        except websockets.ConnectionClosed:
            pass
        finally:
            self._outboxes.pop(ws.id, None)
            if writer is not None:
                writer.cancel()
                self._change(user, -1)
