"""4.4 stop: your client waits for {what}, and 2 s after stop.set() it still does."""

import asyncio
import inspect
import json
import random

from websockets import ConnectionClosed, InvalidHandshake, InvalidStatus, connect


def delays(rng, base=0.1, cap=5.0):
    longest = min(base, cap)
    while True:
        yield rng() * longest
        longest = min(2 * longest, cap)


async def follow(url, topics, on_event, *, stop, sleep=asyncio.sleep, rng=random.random):
    last, waits = 0, delays(rng)
    while not stop.is_set():
        ws = None
        try:
            async with connect(url, close_timeout=0.5) as ws:
                await ws.send(json.dumps({"type": "subscribe", "topics": topics, "after": last}))
                async for text in ws:
                    message = json.loads(text)
                    if message["type"] in ("event", "subscribed"):
                        waits = delays(rng)
                    if message["type"] == "event" and message["seq"] > last:
                        last = message["seq"]
                        result = on_event(message)
                        if inspect.isawaitable(result):
                            await result
        except InvalidStatus as exc:
            if exc.response.status_code in (401, 403):
                return
        except (OSError, InvalidHandshake, ConnectionClosed):
            pass
        if ws is not None and ws.close_code in (4401, 4403):
            return
        await sleep(next(waits))
