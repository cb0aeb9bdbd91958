"""`start_cluster("rooms:handler")`: server processes, a load balancer before them and a backplane behind, all recorded.

Rules of this file: starting again under the same name replaces the former cluster; `stop()` returns within two seconds
and leaves no process, port or file.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..errors import LabError, say
from ..loopback import bypass_proxy
from ..tap import Tap
from . import children, facts
from .binaries import find
from .caddy import Caddy
from .control import HOST
from .nats import Backplane
from .processes import ServerProcess
from .progress import Progress
from .work import OnFact, Work

BALANCER, LOOK_S = "Load balancer", 0.02

_clusters: dict[tuple[asyncio.AbstractEventLoop, str], Cluster] = {}


class Cluster:
    """A running cluster. `url` is the address for clients; `taps` see everything that crosses between its parts."""

    def __init__(self, name: str, work: Work, balancer: Caddy | None, backplane: Backplane | None) -> None:
        self.name = name
        self.running = False
        self.loop = asyncio.get_running_loop()
        self.servers: list[ServerProcess] = []
        self.backplane = backplane
        self.database = work.folder / "lab.sqlite3"
        self._work, self._balancer = work, balancer
        self._front: Tap | None = None

    def __repr__(self) -> str:
        return f"<Cluster {self.name!r}: {', '.join(map(repr, self.servers)) or 'stopped'}>"

    @property
    def url(self) -> str:
        """Where clients connect: to the balancer, or to the only server."""
        return f"ws://{HOST}:{self.taps[0].port}" if self.running else ""

    @property
    def taps(self) -> list[Tap]:
        """The taps, in the order in which a message meets them: balancer, servers, backplane."""
        front = [self._front] if self._front is not None else []
        behind = self.backplane.taps if self.backplane is not None else []
        return [*front, *(server.tap for server in self.servers), *behind]

    async def add(self) -> ServerProcess:
        """Start one more server; the balancer sends it new connections, the open ones stay where they are.

        Raises:
            LabError: If there is no balancer, or the server does not come to serve.
        """
        if self._balancer is None:
            raise LabError(say("there is no balancer to add a server to: start the cluster with a policy"))
        server = await self._new_server()
        try:
            await server.start()
            await self._balancer.set_upstreams([each.tap.port for each in self.servers])
        except BaseException:
            self.servers.remove(server)
            server.tap.close()
            await server.end()
            raise
        # A changed configuration knows nothing of anybody's health before it has asked.
        asked = [each for each in self.servers if each.running and not each.frozen]
        await asyncio.gather(*(each.checked(not each.draining) for each in asked))
        return server

    async def open_sockets(self) -> dict[str, int]:
        """How many connections are open to each server, as the balancer counts them."""
        if self._balancer is None:
            return {server.name: len(server.tap.connections) for server in self.servers}
        known = await self._balancer.upstreams()
        return {server.name: known[server.tap.port]["num_requests"] for server in self.servers}

    async def at_rest(self) -> str:
        """Why the processes are not at rest, or an empty string."""
        return await facts.at_rest(self.servers)

    async def stop(self) -> None:
        """Close every connection with 1001, end every process and remove their files, all within two seconds."""
        self.running = False
        if _clusters.get((self.loop, self.name)) is self:
            del _clusters[self.loop, self.name]
        if self.loop.is_closed():
            for part in (*self.servers, self._balancer, self.backplane):
                if part is not None:
                    part.kill()
        else:
            await asyncio.gather(*(server.stop() for server in self.servers))
            parts = [part for part in (self._balancer, self.backplane) if part is not None]
            await asyncio.gather(*(part.stop() for part in parts))
            for tap in self.taps:
                tap.close()
            self._work.switchboard.close()
            await asyncio.sleep(0)
        self.servers.clear()
        shutil.rmtree(self._work.folder, ignore_errors=True)

    async def start(self, count: int, progress: Progress) -> None:
        """Start the parts from the back to the front, each ready before the next needs it."""
        await self._work.switchboard.start()
        if self.backplane is not None:
            progress(0.1, say("starting the backplane …"))
            await self.backplane.start()
        progress(0.2, say("starting the servers …"))
        for _ in range(count):
            await self._new_server()
        outcomes = await asyncio.gather(*(server.start() for server in self.servers), return_exceptions=True)
        for outcome in filter(None, outcomes):
            raise outcome
        if self._balancer is not None:
            progress(0.8, say("starting the load balancer …"))
            await self._balancer.start([server.tap.port for server in self.servers], self._work.probe)
            self._front = await Tap(HOST, self._balancer.port, server=BALANCER).start()
        self.running = True

    async def _new_server(self) -> ServerProcess:
        alone = self._balancer is None
        name = "Server" if alone else f"Server {len(self.servers) + 1}"
        tap = await Tap(HOST, 0, server=name, client=None if alone else BALANCER).start()
        environment = {"WSLAB_DATABASE": str(self.database)}
        if self.backplane is not None:
            way = await self.backplane.tap(name)
            environment["WSLAB_BACKPLANE"] = f"nats://{HOST}:{way.port}"
        server = ServerProcess(name, self._work, tap, environment)
        if self._balancer is not None:
            server.noticed = partial(self._noticed, self._balancer, server)
        self.servers.append(server)
        return server

    async def _noticed(self, balancer: Caddy, server: ServerProcess, healthy: bool) -> None:
        """Wait until the balancer knows of `server`'s health, and has forgotten what failed before."""
        await server.checked(healthy)
        while healthy and (await balancer.upstreams())[server.tap.port]["fails"]:
            await asyncio.sleep(LOOK_S)


async def start_cluster(
    handler: str,
    *,
    servers: int = 3,
    policy: str | None = "round_robin",
    backplane: bool = False,
    name: str = "Cluster",
    setup: str = "",
    environment: Mapping[str, str] | None = None,
    on_fact: OnFact = facts.receive,
    stream_close_delay: str = "60s",
    **options: Any,
) -> Cluster:
    """Start server processes that serve `handler`, with a load balancer before them, and return when all is ready.

    Args:
        handler: Its name as "module:function". Processes look for modules where the notebook does.
        servers: How many processes.
        policy: How the balancer chooses: "round_robin", "least_conn" or "cookie". `None`: no balancer, one server.
        backplane: Start NATS too; a process finds its address in the variable WSLAB_BACKPLANE.
        name: A running cluster of that name is stopped first.
        setup: Name of an `async def` function without arguments that each process awaits before it serves.
        environment: More variables for the processes, which also get WSLAB_SERVER and WSLAB_DATABASE, the path of a
            file for SQLite.
        on_fact: Called with the server's name and a line for what processes report to recordings.
        stream_close_delay: How long open connections outlive a change of the balancer's configuration; "": not at all.
        options: For `serve` in each process; functions such as `process_request` go by their names.

    Raises:
        LabError: If an engine is missing, or a part does not come to serve.
    """
    if policy is None and servers != 1:
        raise LabError(say("without a balancer there is one server: write servers=1, or give a policy"))
    if servers < 1:
        raise LabError(say("a cluster needs at least one server, not {servers}", servers=servers))
    for engine in ["caddy"] * (policy is not None) + ["nats-server"] * backplane:
        find(engine)
    bypass_proxy()
    key = asyncio.get_running_loop(), name
    for former in [each for each in running_clusters() if each.loop.is_closed() or each is _clusters.get(key)]:
        await former.stop()
    folder = await asyncio.to_thread(children.folder)
    try:
        work = Work(
            handler=handler,
            setup=setup,
            options=options,
            environment=dict(environment or {}),
            folder=folder,
            on_fact=on_fact,
        )
        balancer = Caddy(folder, policy, stream_close_delay) if policy is not None else None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _clusters[key] = cluster = Cluster(name, work, balancer, Backplane(folder) if backplane else None)
    try:
        with Progress() as progress:
            await cluster.start(servers, progress)
    except BaseException:
        await cluster.stop()
        raise
    return cluster


def running_clusters() -> list[Cluster]:
    """The clusters that were started and not stopped, in the order of their start."""
    return list(_clusters.values())
