"""1.2 two clients: client B cannot see what A saved. Data that must outlive a connection belongs in db."""


async def notes_handler(ws, db):
    notes = {}
    async for message in ws:
        words = message.split(" ", 2) if isinstance(message, str) else []
        if len(words) == 3 and words[0] == "SET":
            notes[words[1]] = words[2]
            await ws.send("OK")
        elif len(words) == 2 and words[0] == "GET":
            await ws.send(notes.get(words[1], "NONE"))
        else:
            await ws.send("ERR")
