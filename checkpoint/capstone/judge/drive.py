"""The process of the clients under test: runs instances of the learner's `AuctionClient`, each under a name.

Rules of this file: the learner's clients are used by their interface only; what comes into `events` is told at once.
"""

import asyncio
import contextlib
import selectors

from .orders import MACHINERY, Obeying, learners, main


class QuickSelector(selectors.DefaultSelector):
    """Waits a fraction of the time that it is asked to."""

    speed = 1.0

    def select(self, timeout=None):
        return super().select(timeout and timeout / self.speed)


class QuickLoop(asyncio.SelectorEventLoop):
    """A loop whose clock runs `speed` times as fast: for whatever waits on it ten seconds are one."""

    def __init__(self, speed):
        selector = QuickSelector()
        selector.speed = self.speed = speed
        super().__init__(selector)

    def time(self):
        return super().time() * self.speed


class Driver(Obeying):
    """The learner's clients, ordered about."""

    @staticmethod
    def loop(options):
        """The loop that they run on."""
        return QuickLoop(options["speed"]) if options["speed"] != 1 else asyncio.new_event_loop()

    async def begin(self):
        self.make = learners(self.options["client"])
        self.clients = {}
        return 1  # no port: nobody dials this process

    async def connect(self, client, url, token):
        """Make a client and connect it."""
        self.clients[client] = made = self.make()
        self.reader = asyncio.create_task(self._read(client, made))
        await made.connect(url, token)

    async def calm(self):
        """Let all clients go, whatever they are doing."""
        for task in asyncio.all_tasks():
            if task.get_coro().__qualname__ not in MACHINERY:
                task.cancel()
        self.clients.clear()

    async def join(self, client, lot):
        await self.clients[client].join(lot)

    async def bid(self, client, lot, amount):
        """Bid; returns what the client made of the answer."""
        return await self.clients[client].bid(lot, amount)

    async def close(self, client):
        await self.clients.pop(client).close()

    async def _read(self, client, made):
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                self.tell(event=await made.events.get(), client=client)


if __name__ == "__main__":
    main(Driver)
