async def guarded(ws, process, log, notify):
    gathered = {}  # 1 accept: what is to be told, by kind
    pending = set()

    def incident(kind, error_id):
        if kind in gathered:
            gathered[kind]["count"] += 1
            return
        gathered[kind] = {"error": kind, "count": 1, "first": error_id}
        task = asyncio.create_task(tell(kind))
        pending.add(task)
        task.add_done_callback(pending.discard)

    async def tell(kind):
        for _ in range(5):  # until none has come for 0.2 s, a second at most
            count = gathered[kind]["count"]
            await asyncio.sleep(0.2)
            if gathered[kind]["count"] == count:
                break
        ...  # notify the admin of gathered.pop(kind); if that fails, it is a line in the log and nothing more

    async def answer(message):
        try:
            return {"ok": True, "body": await process(message)}
        except ValueError:
            log.info("%s of %s is refused", message["type"], ws.user)
            return {"ok": False, "error": {"code": "bad_request", "message": "this cannot be done"}}
        except Exception as exc:
            error_id = uuid.uuid4().hex
            ...  # log, then incident(type(exc).__name__, error_id), then return the reply with this error_id

    try:
        async for text in ws:  # 2 read
            message = json.loads(text)
            reply = await answer(message)  # 3 decide
            await ws.send(json.dumps({"id": message["id"]} | reply))  # 4 answer
    except ConnectionClosed:
        pass
    finally:
        await asyncio.gather(*pending)  # 5 clean up: what is under way is told
