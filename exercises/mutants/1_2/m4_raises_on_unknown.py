"""1.2 unknown command: expected "ERR" and an open connection, saw close code 1011 (your handler raised {type})."""


async def notes_handler(ws, db):
    async for message in ws:
        command, key, *value = message.split(" ", 2)
        if command == "SET":
            await db.save(key, value[0])
            await ws.send("OK")
        elif command == "GET":
            found = await db.load(key)
            await ws.send("NONE" if found is None else found)
        else:
            raise ValueError(f"unknown command {command}")
