"""0.2 echo: sent {message}, got 'hello'. Send back what came, unchanged, not a text of your own."""


async def echo(ws):
    async for _message in ws:
        await ws.send("hello")
