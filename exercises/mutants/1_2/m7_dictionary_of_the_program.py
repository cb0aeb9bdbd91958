"""1.2 database: db holds "{value}" for {key}, and your handler answered "{answer}". Ask db each time, instead of a variable of your own, which ends with the program."""

notes = {}


async def notes_handler(ws, db):
    async for message in ws:
        words = message.split(" ", 2) if isinstance(message, str) else []
        if len(words) == 3 and words[0] == "SET":
            notes[words[1]] = words[2]
            await db.save(words[1], words[2])
            await ws.send("OK")
        elif len(words) == 2 and words[0] == "GET":
            await ws.send(notes.get(words[1], "NONE"))
        else:
            await ws.send("ERR")
