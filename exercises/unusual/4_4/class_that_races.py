"""A class that lets everything it waits for race with stop, compares times itself, sleeps in slices and returns errors."""

import asyncio
import inspect
import itertools
import json
import random

import websockets


def delays(rng, base=0.1, cap=5.0):
    return (rng() * min(cap, base * 2 ** min(n, 60)) for n in itertools.count())


class Stopped(Exception):
    pass


class Follower:
    def __init__(self, url, topics, on_event, stop, sleep, rng):
        self.url, self.topics, self.on_event = url, topics, on_event
        self.stop, self.sleep, self.rng = stop, sleep, rng
        self.seen = set()
        self.failed = 0

    async def unless_stopped(self, coroutine):
        work = asyncio.ensure_future(coroutine)
        stop = asyncio.ensure_future(self.stop.wait())
        try:
            done, _ = await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not work.done():
                work.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
        if stop in done:
            raise Stopped
        return work.result()

    async def one_connection(self):
        """Returns the status or code with which it ended."""
        try:
            ws = await self.unless_stopped(websockets.connect(self.url))
        except websockets.InvalidStatus as exc:
            return exc.response.status_code
        except (OSError, websockets.WebSocketException):
            return None
        try:
            last = max(self.seen, default=0)
            await ws.send(json.dumps({"after": last, "topics": list(self.topics), "type": "subscribe"}))
            while True:
                await self.hear(json.loads(await self.unless_stopped(ws.recv())))
        except websockets.ConnectionClosed:
            return ws.close_code
        finally:
            await ws.close()

    async def hear(self, message):
        match message:
            case {"type": "subscribed"}:
                self.failed = 0
            case {"type": "event", "seq": seq}:
                self.failed = 0
                if seq not in self.seen:
                    self.seen.add(seq)
                    if inspect.iscoroutinefunction(self.on_event):
                        await self.on_event(message)
                    else:
                        self.on_event(message)

    async def run(self):
        try:
            while await self.one_connection() not in (401, 403, 4401, 4403):
                seconds = next(itertools.islice(delays(lambda: 1.0), self.failed, None)) * self.rng()
                self.failed += 1
                for _ in range(2):
                    await self.unless_stopped(self.sleep(seconds / 2))
        except Stopped:
            pass


async def follow(url, topics, on_event, *, stop, sleep=asyncio.sleep, rng=random.random):
    await Follower(url, topics, on_event, stop, sleep, rng).run()
