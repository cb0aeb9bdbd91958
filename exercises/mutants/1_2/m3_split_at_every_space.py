"""1.2 value with spaces: sent "SET {key} {value}", expected "{same}" back, saw {r}."""


async def notes_handler(ws, db):
    async for m in ws:
        if m.startswith("SET "):
            key, value = m.split()[1:]
            await db.save(key, value)
            await ws.send("OK")
        elif m.startswith("GET "):
            value = await db.load(m.split()[1])
            await ws.send("NONE" if value is None else value)
        else:
            await ws.send("ERR")
