"""`serve(handler)`: an embedded WebSocket server on 127.0.0.1, behind a tap that records it.

The server runs on the loop that calls `serve`, in a notebook the kernel's own, so it answers between cells; with
`background=True` on a thread. Serving again under the same name replaces the former server.

Rules of this file: loopback only, a free port each time; `stop()` returns within two seconds whatever a handler does.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import websockets
from websockets.asyncio.server import Server as LibraryServer
from websockets.asyncio.server import ServerConnection

from .background import LoopThread, on_loop
from .errors import LabError, say
from .hook import Hook
from .linked import LinkedConnection
from .loopback import HOST, LOOPBACK, bypass_proxy, refuse_foreign_host
from .sources import logger
from .tap import Tap
from .watchdog import BlockedLoop, protect, release

Handler = Callable[[ServerConnection], Coroutine[Any, Any, None]]

ORIGINS = [None, re.compile(rf"https?://{LOOPBACK.pattern}", re.IGNORECASE)]
GRACE_S = 1.0
CANCELS, CANCEL_S = 4, 0.1

# By the loop that called serve(), too: a check serves on a loop of its own and leaves the notebook's servers alone.
_servers: dict[tuple[asyncio.AbstractEventLoop, str], Server] = {}


class Server:
    """A running server. `url` is the address of its tap; `errors` are the exceptions that left its handlers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = ""
        self.tap: Tap | None = None
        self.hook: Hook | None = None
        self.errors: list[BaseException] = []
        self.loop = asyncio.get_running_loop()
        self.running = False
        self.library: LibraryServer | None = None
        self.origins: list[Any] = list(ORIGINS)  # pages that may connect, unless a lesson decides by itself
        self.hosts: set[str] = set()  # under which it answers, beside this machine's own
        self._key = self.loop, name
        self._thread: LoopThread | None = None

    def __repr__(self) -> str:
        return f"<Server {self.name!r}: {'running' if self.running else 'stopped'}>"

    @property
    def taps(self) -> list[Tap]:
        """Its tap, if it has one."""
        return [self.tap] if self.tap is not None else []

    @property
    def connections(self) -> set[ServerConnection]:
        """The connections that are open now."""
        return self.library.connections if self.library is not None else set()

    @property
    def all_connections(self) -> list[ServerConnection]:
        """The connections in any state, those in a handshake included; may be asked from any thread."""
        if self.library is None:
            return []
        alive = {connection for connection in list(LinkedConnection.alive) if connection.server is self.library}
        return list(alive.union(list(self.library.all_connections)))

    def admit(self, origin: str) -> None:
        """Let pages of `origin`, such as "https://hub.example.org", in too; a lesson's own `origins` still decide."""
        scheme, _, host = origin.partition("://")
        if scheme in ("http", "https") and host and host not in self.hosts:
            self.origins.append(origin)
            self.hosts.add(host)

    def handlers(self) -> dict[asyncio.Task[Any], str]:
        """The tasks that run handlers, each with whose handler it is."""
        links = [connection.link for connection in self.all_connections if isinstance(connection, LinkedConnection)]
        return {
            link.handler: say("the handler of {client}", client=link.name) for link in links if link.handler is not None
        }

    async def stop(self, code: int = 1001, reason: str = "") -> None:
        """Close every connection with `code`, end the handlers and free the port, all within two seconds."""
        if not self.running:
            return
        self.running = False
        reason = reason.encode()[:123].decode("utf-8", "ignore")  # RFC 6455 5.5
        if _servers.get(self._key) is self:
            del _servers[self._key]
        if self._thread is not None:
            await self._thread.end(self._stop(code, reason))
        elif not self.loop.is_closed():
            await on_loop(self.loop, self._stop(code, reason))

    async def _stop(self, code: int, reason: str) -> None:
        library = self.library
        assert library is not None
        release(self.loop)
        library.close(code=code, reason=reason)
        waiting = asyncio.ensure_future(library.wait_closed())
        try:
            await asyncio.wait([waiting], timeout=GRACE_S)
            for _ in range(CANCELS):  # the library waits for handlers for ever: cancel them, also those that swallow it
                if waiting.done():
                    break
                for task in list(library.handler_tasks):
                    task.cancel()
                for connection in self.all_connections:
                    connection.transport.abort()
                await asyncio.wait([waiting], timeout=CANCEL_S)
        finally:  # also where the cell that stops it is interrupted
            waiting.cancel()
            if library.close_task is not None:
                library.close_task.cancel()
            await self._close_tap()

    async def _close_tap(self) -> None:
        if self.tap is not None:
            with suppress(TimeoutError):  # so that the clients' ends of TCP are seen, where they come
                await asyncio.wait_for(self.tap.drained(), CANCEL_S)
            self.tap.close()
            await asyncio.sleep(0)

    async def replace(self) -> None:
        """Stop the server that runs under this name, if any."""
        for key in [key for key in _servers if key[0].is_closed()]:
            del _servers[key]
        if (former := _servers.get(self._key)) is not None:
            await former.stop()

    def enlist(self) -> None:
        """Count this server among those that run."""
        _servers[self._key] = self


async def serve(
    handler: Handler,
    *,
    name: str = "Server",
    tap: bool = True,
    hook: bool = False,
    background: bool = False,
    **options: Any,
) -> Server:
    """Start a server whose connections `handler` serves, and return it.

    Args:
        handler: `async def handler(ws)`, run once for each connection.
        name: The server's lane in pictures. A running server of that name is stopped first.
        tap: Record it. Without tap and hook `record(server)` has nothing to show.
        hook: Record it inside the server instead, with the first KiB of each frame: for thousands of connections.
        background: Run on a thread with a loop of its own instead of on the caller's loop.
        options: Passed on to `websockets.serve`. Other defaults than the library's: `compression=None`, so that
            bytes can be read, and `origins` that allow no Origin or a loopback page.

    Raises:
        LabError: If `handler` is no coroutine function.
    """
    if not (inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)):
        called = getattr(handler, "__name__", type(handler).__name__)
        raise LabError(
            say("a handler must be written with 'async def', and {name} is not: put async before def", name=called)
        )
    bypass_proxy()
    server = Server(name)
    server.hook = Hook(name) if hook else None
    await server.replace()
    if background:
        server._thread = LoopThread(f"server {name}")
        try:
            await on_loop(server._thread.loop, _start(server, handler, tap and not hook, options))
        except BaseException:
            await server._thread.end()
            raise
    else:
        await _start(server, handler, tap and not hook, options)
        protect()
    server.enlist()
    return server


def running_servers() -> list[Server]:
    """The servers that were started and not stopped, in the order of their start."""
    return list(_servers.values())


async def _start(server: Server, handler: Handler, tap: bool, options: dict[str, Any]) -> None:
    async def linked(ws: ServerConnection) -> None:
        try:
            await (ws.link.run(handler(ws)) if isinstance(ws, LinkedConnection) else handler(ws))
        except BlockedLoop as exc:  # thrown by the watchdog; to the library it is an error like any other
            error = RuntimeError(str(exc))
            server.errors.append(error)
            raise error from None
        except Exception as exc:
            server.errors.append(exc)
            raise

    server.loop = asyncio.get_running_loop()
    options = {
        "compression": None,
        "origins": server.origins,
        "create_connection": server.hook or LinkedConnection,
    } | options
    options["process_request"] = refuse_foreign_host(server.hosts, options.get("process_request"))
    options.setdefault("logger", logger(server.name))
    server.library = await websockets.serve(linked, HOST, 0, **options)
    port = server.library.sockets[0].getsockname()[1]
    if tap:
        server.tap = Tap(HOST, port, server=server.name)
        try:
            port = (await server.tap.start()).port
        except BaseException:  # the cell was interrupted
            server.library.close()
            raise
    server.url = f"ws://{HOST}:{port}"
    server.running = True
