"""4.4 after cut 1: connected again but no subscribe seen; events {a}..{b} never arrived."""

import asyncio
import inspect
import json
import random

from websockets import ConnectionClosed, connect


def delays(rng, base=0.1, cap=5.0):
    longest = min(base, cap)
    while True:
        yield rng() * longest
        longest = min(2 * longest, cap)


async def follow(url, topics, on_event, *, stop, sleep=asyncio.sleep, rng=random.random):
    coming_back = asyncio.create_task(come_back(url, topics, on_event, sleep, rng))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([coming_back, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (coming_back, stopping):
            task.cancel()
        await asyncio.wait([coming_back, stopping])
    if not coming_back.cancelled():
        coming_back.result()


async def come_back(url, topics, on_event, sleep, rng):
    last, waits = 0, delays(rng)
    ws = await connect(url)
    await ws.send(json.dumps({"type": "subscribe", "topics": topics, "after": last}))
    while True:
        try:
            async for text in ws:
                message = json.loads(text)
                waits = delays(rng)
                if message["type"] == "event" and message["seq"] > last:
                    last = message["seq"]
                    result = on_event(message)
                    if inspect.isawaitable(result):
                        await result
        except ConnectionClosed:
            pass
        await sleep(next(waits))
        ws = await connect(url)
