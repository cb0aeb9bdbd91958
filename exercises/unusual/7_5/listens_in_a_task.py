"""Collects everything in a task, watches for silence, asks twice, and raises AssertionError by hand."""

import asyncio
import json
import secrets

from websockets import connect


async def leak_test(url):
    bodies = [secrets.token_urlsafe(12) for _ in range(2)]
    ws = await connect(url)
    messages = []

    async def collect():
        async for message in ws:
            messages.append(message)

    collector = asyncio.create_task(collect())
    for number, body in enumerate(bodies):
        await ws.send(json.dumps({"id": number, "type": "crash", "body": body}))
    seen = -1
    while len(messages) > seen:
        seen = len(messages)
        await asyncio.sleep(1.0)
    await ws.close()
    await collector
    for message in messages:
        if any(body in message for body in bodies):
            raise AssertionError(f"a leak: {message}")
