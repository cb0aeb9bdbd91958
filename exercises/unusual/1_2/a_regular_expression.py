"""Patterns instead of split, a task for each command, awaited before the next one is read."""

import asyncio
import re


async def notes_handler(ws, db):
    async def answer(message):
        try:
            if found := re.fullmatch(r"SET (\S+) (.+)", message, re.DOTALL):
                await db.save(*found.groups())
                return "OK"
            [key] = re.fullmatch(r"GET (\S+)", message).groups()
            return await db.load(key) or "NONE"
        except (TypeError, AttributeError):
            return "ERR"

    async for message in ws:
        reply = await asyncio.create_task(answer(message))
        await ws.send(reply.encode(), text=True)
