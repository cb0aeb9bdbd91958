async def rpc_handler(ws, process):
    places = asyncio.Semaphore(8)  # 1 accept: eight places on this connection
    tasks = set()

    async def answer(request):
        async with places:  # waits here until a place is free
            result = ...  # 3 decide: await process(…) with the body of the request
        await ws.send(json.dumps({"id": request["id"], "body": result}))  # 4 answer

    try:
        async for message in ws:  # 2 read
            task = asyncio.create_task(answer(json.loads(message)))
            tasks.add(task)  # keep it, until it is done
            task.add_done_callback(tasks.discard)
    finally:
        ...  # 5 clean up: the client has left; cancel every task that still runs
