"""`serve(handler)`: an embedded WebSocket server on 127.0.0.1, behind a tap that records it.

The server runs on the loop that calls `serve`, in a notebook the kernel's own, so it answers between cells; with
`background=True` on a thread. Serving again under the same name replaces the former server.

Rules of this file: loopback only, a free port each time, and `stop()` returns within two seconds whatever a handler does.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import re
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import websockets
from websockets.asyncio.server import Request, Response, ServerConnection
from websockets.asyncio.server import Server as LibraryServer
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame
from websockets.typing import Data

from .cause import Link, links
from .errors import LabError
from .sources import LogRecorder
from .tap import Tap
from .watchdog import BlockedLoop, protect, release

Handler = Callable[[ServerConnection], Awaitable[None]]
ProcessRequest = Callable[[ServerConnection, Request], Any]

HOST = "127.0.0.1"
LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")
ORIGINS = [None, re.compile(rf"https?://{LOOPBACK.pattern}")]
GRACE_S = 1.0

_servers: dict[str, Server] = {}


class LinkedConnection(ServerConnection):
    """The library's connection, which also tells its `Link` what the handler takes and sends."""

    link: Link

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.link = Link()
        send_frame = self.protocol.send_frame

        def sends(frame: Frame) -> None:
            self.link.sends()
            send_frame(frame)

        # Every frame passes here in the context of whoever sends it, so also broadcasts and automatic replies.
        self.protocol.send_frame = sends  # type: ignore[method-assign]

    def opened(self) -> None:
        """The handler starts: by now the tap has passed the handshake on and knows this connection."""
        self.link = links.get(self.remote_address[1], self.link)
        self.link.opened()

    async def recv(self, decode: bool | None = None) -> Data:  # type: ignore[override]
        try:
            message = await super().recv(decode)
        except ConnectionClosed:
            self.link.ended()
            raise
        self.link.took()
        return message


class Server:
    """A running server. `url` is the address of its tap; `errors` are the exceptions that left its handlers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = ""
        self.tap: Tap | None = None
        self.errors: list[BaseException] = []
        self.loop = asyncio.get_running_loop()
        self.running = False
        self.library: LibraryServer | None = None
        self._thread: _LoopThread | None = None

    def __repr__(self) -> str:
        return f"<Server {self.name!r}: {'running' if self.running else 'stopped'}>"

    @property
    def connections(self) -> set[ServerConnection]:
        """The connections that are open now."""
        return self.library.connections if self.library is not None else set()

    async def stop(self, code: int = 1001, reason: str = "") -> None:
        """Close every connection with `code`, end the handlers and free the port, all within two seconds."""
        if not self.running:
            return
        self.running = False
        if _servers.get(self.name) is self:
            del _servers[self.name]
        if self._thread is None:
            release(self.loop)
            await self._stop(code, reason)
        else:
            await self._thread.call(self._stop(code, reason))
            self._thread.end()

    async def _stop(self, code: int, reason: str) -> None:
        library = self.library
        assert library is not None
        library.close(code=code, reason=reason)
        waiting = asyncio.ensure_future(library.wait_closed())
        await asyncio.wait([waiting], timeout=GRACE_S)
        if not waiting.done():  # the library waits for handlers for ever: cancel them
            for task in list(library.handler_tasks):
                task.cancel()
            for connection in list(library.all_connections):
                connection.transport.abort()
            await asyncio.wait([waiting], timeout=GRACE_S / 2)
            waiting.cancel()
        if self.tap is not None:
            self.tap.close()
            await asyncio.sleep(0)


async def serve(
    handler: Handler,
    *,
    name: str = "Server",
    tap: bool = True,
    background: bool = False,
    **options: Any,
) -> Server:
    """Start a server whose connections `handler` serves, and return it.

    Args:
        handler: `async def handler(ws)`, run once for each connection.
        name: The server's lane in pictures. A running server of that name is stopped first.
        tap: Record it. Without a tap `record(server)` has nothing to show.
        background: Run on a thread with a loop of its own instead of on the caller's loop.
        options: Passed on to `websockets.serve`. Other defaults than the library's: `compression=None`, so that
            bytes can be read, and `origins` that allow no Origin or a loopback page.

    Raises:
        LabError: If `handler` is no coroutine function.
    """
    if not (inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))):
        raise LabError(f"a handler must be written with 'async def', and {_called(handler)} is not: put async before def")
    bypass_proxy()
    if (former := _servers.get(name)) is not None:
        with suppress(RuntimeError):  # its loop may be gone
            await former.stop()
    server = Server(name)
    if background:
        server._thread = _LoopThread(f"server {name}")
        await server._thread.call(_start(server, handler, tap, options))
    else:
        await _start(server, handler, tap, options)
        protect()
    _servers[name] = server
    return server


def running_servers() -> list[Server]:
    """The servers that were started and not stopped, in the order of their start."""
    return list(_servers.values())


async def _start(server: Server, handler: Handler, tap: bool, options: dict[str, Any]) -> None:
    async def linked(ws: ServerConnection) -> None:
        if isinstance(ws, LinkedConnection):
            ws.opened()
        try:
            await handler(ws)
        except BlockedLoop as exc:  # thrown by the watchdog; to the library it is an error like any other
            error = RuntimeError(str(exc))
            server.errors.append(error)
            raise error from None
        except Exception as exc:
            server.errors.append(exc)
            raise

    server.loop = asyncio.get_running_loop()
    options = {"compression": None, "origins": ORIGINS, "create_connection": LinkedConnection} | options
    options["process_request"] = _refuse_foreign_host(options.get("process_request"))
    options.setdefault("logger", _logger(server.name))
    server.library = await websockets.serve(linked, HOST, 0, **options)
    port = server.library.sockets[0].getsockname()[1]
    if tap:
        server.tap = await Tap(HOST, port, server=server.name).start()
        port = server.tap.port
    server.url = f"ws://{HOST}:{port}"
    server.running = True


def _logger(name: str) -> logging.Logger:
    logger = logging.Logger(f"wslab.server.{name}", logging.ERROR)
    logger.addHandler(LogRecorder(logging.ERROR, server=name, lane="Log"))
    return logger


def _refuse_foreign_host(inner: ProcessRequest | None) -> ProcessRequest:
    """Answer 403 to a Host that is not this machine (DNS rebinding), then ask the lesson's own `process_request`."""

    async def process_request(connection: ServerConnection, request: Request) -> Response | None:
        if not LOOPBACK.fullmatch(request.headers.get("Host", "")):
            return connection.respond(403, "this server answers only to 127.0.0.1\n")
        if inner is None:
            return None
        answer = inner(connection, request)
        return await answer if inspect.isawaitable(answer) else answer

    return process_request


def bypass_proxy() -> None:
    """Put 127.0.0.1 into `no_proxy` once: `http_proxy` would divert even loopback clients."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if HOST not in listed.split(","):
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = f"{listed},{HOST}".lstrip(",")


def _called(handler: object) -> str:
    return getattr(handler, "__name__", repr(type(handler)))


class _LoopThread:
    """A thread that runs an event loop, for servers that must answer while the kernel's loop is busy."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    async def call(self, coroutine: Any) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
