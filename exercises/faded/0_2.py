async def echo(ws):
    async for message in ws:  # read, until the client leaves
        ...  # answer: send the message back
