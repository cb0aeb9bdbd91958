"""0.2 second message: sent {message}, expected it back, saw the connection closed with 1000. A handler serves one connection, not one message: put recv and send into a loop."""


async def echo(ws):
    message = await ws.recv()
    await ws.send(message)
