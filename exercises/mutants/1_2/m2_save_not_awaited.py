"""1.2 save: after SET {key} {value} the database is empty and Python warned that a coroutine was never awaited."""


async def notes_handler(ws, db):
    async for message in ws:
        words = message.split(" ", 2) if isinstance(message, str) else []
        if len(words) == 3 and words[0] == "SET":
            db.save(words[1], words[2])
            await ws.send("OK")
        elif len(words) == 2 and words[0] == "GET":
            value = await db.load(words[1])
            await ws.send("NONE" if value is None else value)
        else:
            await ws.send("ERR")
