async def rpc_handler(ws, process):
    async for message in ws:  # 1 read
        request = json.loads(message)  # 2 decide what is asked
        result = ...  # 3 process: await process(…) with the body of the request
        reply = {"id": ..., "body": result}  # 4 say which request this answers
        await ws.send(json.dumps(reply))  # 5 answer
