"""The auction house: the learner's server in three processes behind Caddy, NATS and SQLite behind them, all recorded.

Rules of this file: nothing here knows what is tried; the learner's code runs in other processes only.
"""

import asyncio
import json
from dataclasses import asdict, replace

from wslab.engines.caddy import Caddy
from wslab.engines.control import HOST
from wslab.engines.nats import Backplane
from wslab.tap import Tap

from ..kit import Sessions, Settings, Store
from .processes import HostWork, Process
from .stage import Stage

BALANCER = "Load balancer"
ORIGIN = "https://auction.example"
LOOK_S = 0.01
BACK_S = 5.0  # for the balancer to send somebody to a server that has begun to serve


class Entrance(Tap):
    """The tap before a server. `checks` counts how often the balancer has asked for its health."""

    checks = 0

    def forget(self, connection):
        self.checks += connection.health
        super().forget(connection)


class House(Stage):
    """The running house. `url` is the balancer's address; `servers` are the processes with the learner's servers."""

    name = "Auction house"

    def __init__(self, learner, *, servers=3, balanced=True, **settings):
        super().__init__(learner)
        self.running = False
        self.servers = []
        self.front = None
        self.hosting = self.work(HostWork, build="auction:build")
        self.balancer = Caddy(self.folder, "round_robin", "60s") if balanced else None
        self.backplane = Backplane(self.folder)
        self._wanted, self._settings = servers, settings
        self.store = Store(self.settings("judge"))
        self.sessions = Sessions(self.store)

    @property
    def url(self):
        """Where clients connect."""
        return f"ws://{HOST}:{(self.front or self.servers[0].tap).port}"

    @property
    def taps(self):
        """The taps, in the order in which a message meets them."""
        front = [self.front] if self.front is not None else []
        return [*front, *(server.tap for server in self.servers), *self.backplane.taps]

    async def open(self):
        """Start everything, from the back to the front."""
        await super().open()
        await self.hosting.switchboard.start()
        await self.backplane.start()
        for _ in range(self._wanted):
            await self._prepare()
        outcomes = await asyncio.gather(*(server.start() for server in self.servers), return_exceptions=True)
        for outcome in filter(None, outcomes):
            raise outcome
        if self.balancer is not None:
            await self.balancer.start([server.tap.port for server in self.servers], self.hosting.probe)
            self.front = await Tap(HOST, self.balancer.port, server=BALANCER).start()
        self.running = True
        return self

    async def close(self):
        """End everything at once."""
        self.running = False
        for server in self.servers:
            server.end_now()
        engines = [engine for engine in (self.balancer, self.backplane) if engine is not None]
        for engine in engines:
            engine.kill()
        for tap in self.taps:
            tap.close()
        await asyncio.gather(*(server.end() for server in self.servers), *(engine.stop() for engine in engines))
        self.hosting.switchboard.close()
        self.store.close()
        await super().close()

    async def mend(self):
        """Start again what was killed, and end all troubles: the house is as new, but for what it remembers."""
        for tap in self.taps:
            tap.idle(None)
        for process in self.processes():
            process.complaints.clear()
            process.thaw()
            if process.running:
                await process.ask("calm")
            else:
                await self.revive(process)

    def processes(self):
        """The processes of the learner's code."""
        return [*self.servers, *super().processes()]

    async def revive(self, server):
        """Start the process of `server` again, and wait until the balancer sends somebody to it."""
        await server.start()
        await self.led_to(server)

    async def add(self):
        """Start one more server, and have the balancer lead to it, too."""
        server = await self._prepare()
        await server.start()
        await self.balancer.set_upstreams([each.tap.port for each in self.servers])
        await self.led_to(server)
        return server

    async def led_to(self, server):
        """Wait until the balancer has asked `server` for its health since now."""
        wanted = server.tap.checks + 2  # one may have been under way
        async with asyncio.timeout(BACK_S):
            while server.tap.checks < wanted or (await self.balancer.upstreams())[server.tap.port]["fails"]:
                await asyncio.sleep(LOOK_S)

    def settings(self, name, bus=""):
        """The settings of the server called `name`."""
        return Settings(
            server=name,
            store=str(self.folder / "auction.sqlite3"),
            bus=bus,
            log=str(self.folder / f"{name}.jsonl"),
            notices=str(self.folder / "notices.jsonl"),
            origins=(ORIGIN,),
            **self._settings,
        )

    async def admit(self, user, lasts_s=600.0):
        """Give `user` a session; returns its token."""
        return await self.sessions.admit(user, lasts_s, self.secret)

    async def revoke(self, token):
        """Take a session back."""
        await self.sessions.revoke(token)

    async def offer(self, lot, price=0, opened=True):
        """Put a lot up."""
        await self.store.put(f"lot:{lot}", {"open": opened, "price": price, "leader": None, "seq": 0}, 0)

    def records(self, server=None):
        """The records of one server's log, or of all."""
        paths = self.folder.glob(f"{server.name if server else 'Server *'}.jsonl")
        return [json.loads(line) for path in sorted(paths) for line in path.read_text("utf-8").splitlines()]

    def notices(self):
        """What the administrator was told."""
        path = self.folder / "notices.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def server_of(self, name):
        """The server that the connection called `name` leads to, or `None`."""
        for server in self.servers:
            for connection in server.tap.connections:
                if connection.link.name == name and not connection.health:
                    return server
        return None

    async def _prepare(self):
        name = f"Server {len(self.servers) + 1}"
        tap = await Entrance(HOST, 0, server=name, client=BALANCER if self.balancer else None).start()
        way = await self.backplane.tap(name)
        settings = asdict(self.settings(name, f"nats://{HOST}:{way.port}"))
        server = Process(name, replace(self.hosting, options={**self.hosting.options, "settings": settings}), tap)
        self.servers.append(server)
        return server
