"""1.2 closed: your handler raised {error}, so the connection ended with 1011."""


async def notes_handler(ws, db):
    async for message in ws:
        words = message.split(" ", 2) if isinstance(message, str) else []
        if len(words) == 3 and words[0] == "SET":
            await db.save(words[1], words[2])
            await ws.send("OK")
        elif len(words) == 2 and words[0] == "GET":
            await ws.send(await db.load(words[1]))
        else:
            await ws.send("ERR")
