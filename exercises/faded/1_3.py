async def ticker(ws, feed):
    try:
        async for number in feed:
            ...  # send the number as a text; what has to stand before ws.send?
            ...  # not too fast: 0.1 s, in which everybody else goes on
    except ConnectionClosed:
        pass  # the client has left
