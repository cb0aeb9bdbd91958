"""1.2 after close: your handler still runs 0.5 s after the client left. Catch ConnectionClosed only, or use "async for"."""


async def notes_handler(ws, db):
    while True:
        try:
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
        except Exception:
            pass
