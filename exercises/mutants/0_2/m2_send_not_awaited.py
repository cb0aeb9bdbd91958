"""0.2 never awaited: RuntimeWarning from your code: coroutine 'Connection.send' was never awaited. Put await before it."""


async def echo(ws):
    async for message in ws:
        ws.send(message)
