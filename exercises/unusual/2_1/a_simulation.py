"""Lets the event loop itself find the order, ten times as fast, and counts the seconds on the side."""

import asyncio


async def predict_timeline(delays, mode):
    order = []

    async def request(number, delay):
        await asyncio.sleep(delay / 10)
        order.append(number)

    if mode == "sequential":
        finished = 0
        for number, delay in enumerate(delays):
            await request(number, 0)
            finished += delay
    else:
        finished = sorted([0, *delays])[-1]
        await asyncio.gather(*(request(number, delay) for number, delay in enumerate(delays)))
    return tuple(order), finished
