"""A callable object that reads with recv and leaves its loop on ConnectionClosed."""

from websockets import ConnectionClosed


class Echo:
    async def __call__(self, ws):
        while True:
            try:
                message = await ws.recv()
                await ws.send(message)
            except ConnectionClosed:
                break


echo = Echo()
