"""A method, with a path that has a default, `anext` instead of a loop, and numbers as bytes sent as text."""

import asyncio


class Ticker:
    async def run(self, ws, feed, path=None):
        nothing = object()
        while (number := await anext(feed, nothing)) is not nothing:
            await asyncio.gather(ws.send(b"%d" % number, text=True), asyncio.sleep(0.1))


ticker = Ticker().run
