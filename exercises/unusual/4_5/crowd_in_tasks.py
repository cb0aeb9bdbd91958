"""Two clients at each server, all speak at once, tasks collect, and a table says who has missed what."""

import asyncio
import json
import secrets

import websockets


async def broadcast_test(urls):
    heard = {}

    async def collect(name, ws):
        async for message in ws:
            heard.setdefault(name, []).append(message if isinstance(message, str) else message.decode())

    sockets = {(url, number): await websockets.connect(url) for url in urls for number in (1, 2)}
    tasks = [asyncio.create_task(collect(name, ws)) for name, ws in sockets.items()]
    words = {name: secrets.token_hex(8) for name in sockets}
    await asyncio.gather(*(ws.send(json.dumps({"text": words[name]})) for name, ws in sockets.items()))
    await asyncio.sleep(1)
    await asyncio.gather(*(ws.close() for ws in sockets.values()), *tasks)
    missed = [(name, word) for name in sockets for word in words.values() if word not in "".join(heard.get(name, []))]
    if missed:
        raise AssertionError(missed)
