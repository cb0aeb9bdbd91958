"""One server process of the auction house: runs what the learner's `build(settings)` returns.

Rules of this file: the learner's server is used by its interface only, `start()` and `stop(drain)`.
"""

import asyncio
import time

import psutil

from .orders import MACHINERY, Obeying, learners, main


class Host(Obeying):
    """The learner's server, ordered about."""

    @staticmethod
    def loop(options):
        """The loop that it runs on."""
        return asyncio.new_event_loop()

    async def begin(self):
        from kit import Settings
        from kit.trouble import trouble

        self.trouble = trouble
        trouble.met = lambda kind, key: self.tell(met=kind, key=key)
        self.server = learners(self.options["build"])(Settings(**self.options["settings"]))
        self.before = self._sockets()
        port = await self.server.start()
        if type(port) is not int or not 0 < port < 65536:
            raise TypeError(f"start() returned {port!r}, not the port that it listens on")
        return port

    async def vex(self, **fields):
        """Order trouble: a field of `Trouble`, or an `Order` for the store."""
        from kit.trouble import Order

        if "kind" in fields:
            self.trouble.orders.append(Order(**fields))
        else:
            vars(self.trouble).update(fields)

    async def calm(self):
        """Take back every trouble."""
        self.trouble.orders.clear()
        self.trouble.latency_s = self.trouble.mail_s = 0.0
        self.trouble.deaf = False

    async def stop(self, drain):
        """Stop the learner's server; returns how long it took, and what it left: tasks, and sockets."""
        began = time.monotonic()
        await self.server.stop(drain=drain)
        seconds = time.monotonic() - began
        await asyncio.sleep(0.05)  # what was just cancelled or closed needs a turn
        tasks = sorted({task.get_coro().__qualname__ for task in asyncio.all_tasks()} - MACHINERY)
        return {"seconds": seconds, "tasks": tasks, "sockets": self._sockets() - self.before}

    def _sockets(self):
        return len(psutil.Process().net_connections())


if __name__ == "__main__":
    main(Host)
