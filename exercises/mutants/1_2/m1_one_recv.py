"""1.2 second command: sent "GET {key}", expected "{value}", saw the connection closed with 1000. A handler serves one connection, not one message."""


async def notes_handler(ws, db):
    message = await ws.recv()
    words = message.split(" ", 2)
    if words[0] == "SET" and len(words) == 3:
        await db.save(words[1], words[2])
        await ws.send("OK")
    elif words[0] == "GET" and len(words) == 2:
        value = await db.load(words[1])
        await ws.send("NONE" if value is None else value)
    else:
        await ws.send("ERR")
