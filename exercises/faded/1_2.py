async def notes_handler(ws, db):  # 1 accept: the handler starts, once for this connection
    async for message in ws:  # 2 read
        words = message.split(" ", 2) if isinstance(message, str) else []  # 3 decide
        if len(words) == 3 and words[0] == "SET":
            ...  # save it: await db.save(…) with the key and the value
            answer = "OK"
        elif len(words) == 2 and words[0] == "GET":
            value = ...  # load it: await db.load(…) with the key
            answer = "NONE" if value is None else value
        else:
            answer = "ERR"
        await ws.send(answer)  # 4 answer
    # 5 clean up: nothing is left to do
