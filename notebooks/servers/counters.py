"""A server that counts its messages three times: in three places."""

import asyncio
import json

from servers.carts import ask

counted = {"process": 0}


async def counting(ws):  # 1 accept
    handler = 0
    async for text in ws:  # 2 read
        handler += 1  # 3 decide
        counted["process"] += 1
        await asyncio.to_thread(ask, "INSERT INTO messages VALUES (?)", text)
        rows = await asyncio.to_thread(ask, "SELECT count(*) FROM messages")
        await ws.send(json.dumps([handler, counted["process"], rows[0][0]]))  # 4 answer
    # 5 clean up: nothing is left to do
