"""`serve_app(app)`: an `aiohttp.web.Application` on 127.0.0.1, behind a tap that records it.

The application is served as it is: its routes, handlers and middlewares are the lesson's. The server runs on the loop
that calls `serve_app`, in a notebook the kernel's own; serving again under the same name replaces the former one.

Rules of this file: loopback only, a free port each time; `stop()` returns within two seconds whatever a handler does.
aiohttp is imported by the first `serve_app`, so that `import wslab` stays quick.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .cause import Link, links
from .errors import LabError, say
from .loopback import HOST, LOOPBACK, bypass_proxy
from .quiet import park
from .server import CANCEL_S, CANCELS, Server
from .sources import logger
from .tap import Tap
from .watchdog import BlockedLoop, protect, release

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.abc import AbstractStreamWriter

FINISH_S = 0.3  # what handlers get at the end to finish their answers, and again to clean up


class AppServer(Server):
    """A running application. `url` is the address of its tap; `errors` are the exceptions that left its handlers."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.runner: web.AppRunner | None = None
        self._handling: dict[asyncio.Task[Any], Link] = {}

    @property
    def all_connections(self) -> list[Any]:
        """The connections that are open now."""
        server = self.runner.server if self.runner is not None else None
        return [one for one in (server.connections if server is not None else []) if one.transport is not None]

    def handlers(self) -> dict[asyncio.Task[Any], str]:
        """The tasks that work on a request, each with whose request it is."""
        return {task: say("the handler of {client}", client=link.name) for task, link in list(self._handling.items())}

    async def start(self, app: web.Application, options: dict[str, Any]) -> None:
        """Serve `app`, with `options` for its `aiohttp.web.AppRunner`."""
        from aiohttp import web

        log = logger(self.name)
        options = {"access_log": None, "logger": log, "shutdown_timeout": FINISH_S} | options
        self.runner = web.AppRunner(app, **options)
        await self.runner.setup()
        assert self.runner.server is not None
        self._link(self.runner.server, web)
        await web.TCPSite(self.runner, HOST, 0).start()
        self.tap = await Tap(HOST, self.runner.addresses[0][1], server=self.name).start()
        self.url = f"http://{HOST}:{self.tap.port}"
        self.running = True

    def _link(self, server: web.Server, web: Any) -> None:
        """Let `server` tell which request a handler works on, and which parts of the answer it sends."""
        answer, make = server.request_handler, server.request_factory

        async def linked(request: web.BaseRequest) -> web.StreamResponse:
            hosts = request.headers.getall("Host", [])
            if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):  # DNS rebinding
                return web.Response(status=403, text="this server answers only to 127.0.0.1\n")
            task = asyncio.current_task()
            assert task is not None
            link = _link_of(request.transport)
            if request.headers.get("Upgrade", "").lower() != "websocket":
                link.handler = task
                link.took()
            self._handling[task] = link
            task.add_done_callback(lambda task: self._handling.pop(task, None))
            try:
                return await answer(request)
            except BlockedLoop as exc:  # thrown by the watchdog; to aiohttp it is an error like any other
                self.errors.append(error := RuntimeError(str(exc)))
                raise error from None
            except web.HTTPException:
                raise  # an answer
            except Exception as exc:
                self.errors.append(exc)
                raise

        def requested(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            _tell_sends(writer, _link_of(protocol.transport))
            return make(message, payload, protocol, writer, task)

        server.request_handler, server.request_factory = linked, requested

    async def _stop(self, code: int, reason: str) -> None:
        assert self.runner is not None and self.tap is not None
        release(self.loop)
        ending = asyncio.ensure_future(self.runner.cleanup())
        await asyncio.wait([ending], timeout=3 * FINISH_S)
        for _ in range(CANCELS):  # for handlers that swallow it
            if ending.done() and not self._handling:
                break
            for task in list(self._handling):
                task.cancel()
            await asyncio.wait([ending, *self._handling], timeout=CANCEL_S)
        ending.cancel()
        await self._close_tap()


async def serve_app(app: web.Application, *, name: str = "Web server", **options: Any) -> AppServer:
    """Start a server for `app`, and return it: `record` and `running_servers` take it like one that `serve` returned.

    Args:
        app: The application; it may be served again after its server has stopped.
        name: The server's lane in pictures. A running server of that name is stopped first.
        options: Passed on to `aiohttp.web.AppRunner`, such as `handler_cancellation=True`.

    Raises:
        LabError: If `app` is no `aiohttp.web.Application`.
    """
    from aiohttp import ClientResponse, StreamReader, web
    from aiohttp.web_protocol import RequestHandler

    if not isinstance(app, web.Application):
        raise LabError(say("serve_app() takes an aiohttp.web.Application, not {type}", type=type(app).__name__))
    # A handler runs in a task of its own, so its connection has nothing to do; a client waits for what is sent to it.
    reads = (StreamReader.readline, StreamReader.readany, StreamReader.readexactly, StreamReader.readchunk)
    park(RequestHandler.start, ClientResponse.start, StreamReader.read, StreamReader.readuntil, *reads)
    bypass_proxy()
    server = AppServer(name)
    await server.replace()
    await server.start(app, options)
    protect()
    server.enlist()
    return server


def _link_of(transport: asyncio.BaseTransport | None) -> Link:
    """What the tap knows of the connection; a link of its own for a client that came past the tap."""
    peer = transport.get_extra_info("peername") if transport is not None else None
    local = transport.get_extra_info("sockname") if transport is not None else None
    return links.get((peer[1], local[1]), Link()) if peer and local else Link()


def _tell_sends(writer: AbstractStreamWriter, link: Link) -> None:
    """Tell `link` of the head and of each chunk in the context of whoever writes it, counted as in `http`."""
    write_headers, write, write_eof = writer.write_headers, writer.write, writer.write_eof
    chunked = False

    async def heads(status_line: str, headers: Any) -> None:
        nonlocal chunked
        chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
        link.sends()
        await write_headers(status_line, headers)

    async def writes(chunk: Any, **options: Any) -> None:
        if chunked and chunk:
            link.sends()
        await write(chunk, **options)

    async def ends(chunk: bytes = b"") -> None:
        if chunked and chunk:
            link.sends()
        await write_eof(chunk)

    writer.write_headers, writer.write, writer.write_eof = heads, writes, ends  # type: ignore[method-assign]
