"""1.2 incomplete command: sent {command}, expected "ERR", saw {r}."""


async def notes_handler(ws, db):
    async for message in ws:
        words = message.split(" ", 2)
        if words[0] == "SET":
            await db.save(words[1], words[2])
            await ws.send("OK")
        elif words[0] == "GET":
            value = await db.load(words[1])
            await ws.send("NONE" if value is None else value)
        else:
            await ws.send("ERR")
