"""One server process, `python -m wslab.engines.process SETTINGS`: serves a handler that is named by `module:function`.

The settings are a file of JSON that the kernel wrote. Over the line to the kernel come orders (drain, stop); on it go
the port, the answered health checks and the facts of recordings. The process ends when that line ends.

Rules of this file: `/healthz` is answered here and never reaches the lesson's code; what goes wrong before the server
runs is told in one line.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import traceback
from pathlib import Path
from pkgutil import resolve_name

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from ..errors import LabError, say
from ..loopback import ProcessRequest
from ..server import Server, serve
from . import facts
from .control import HEALTH, NAMED, Channel, Message, dial


class Health:
    """Answers `/healthz`: 200, or 503 while `draining`; a WebSocket on `/healthz?MARK` is an echo, to see it work."""

    def __init__(self, channel: Channel, mark: str, inner: ProcessRequest | None) -> None:
        self.draining = False
        self.echo_path = f"{HEALTH}?{mark}"
        self._channel, self._inner = channel, inner
        self._reports: set[asyncio.Task[None]] = set()

    async def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a health check, or ask the lesson's own `process_request`."""
        if request.path == self.echo_path:
            return None
        if request.path.partition("?")[0] == HEALTH:
            # A body, so that the balancer ends the connection only after it took note of the answer.
            response = connection.respond(503 if self.draining else 200, "draining\n" if self.draining else "ok\n")
            report = asyncio.create_task(self._report(connection, not self.draining))
            self._reports.add(report)
            report.add_done_callback(self._reports.discard)
            return response
        answer = self._inner(connection, request) if self._inner else None
        return await answer if inspect.isawaitable(answer) else answer

    async def _report(self, connection: ServerConnection, healthy: bool) -> None:
        await connection.wait_closed()
        self._channel.send({"healthy": healthy})


def main(path: Path) -> None:
    """Serve as the settings in `path` say, until the kernel says stop or is gone."""
    asyncio.run(_main(json.loads(path.read_text("utf-8"))))
    os._exit(0)  # whatever threads the lesson's code has started


async def _main(settings: Message) -> None:
    channel = await dial(settings["port"], settings["token"])
    try:
        hear = facts.install(lambda line: channel.send({"fact": line}))
        server, health = await _serve(settings, channel)
    except BaseException as exc:
        traceback.print_exc()
        channel.send({"failed": _last_line(exc)})
        await channel.flush()
        return
    assert server.library is not None
    channel.send({"ready": server.library.sockets[0].getsockname()[1]})
    while (order := await channel.receive()) is not None:
        if "tell" in order:
            hear(order["tell"])
        elif "drain" in order:
            health.draining = bool(order["drain"])
        elif "stop" in order:
            await server.stop(order["stop"], order["reason"])
            break


async def _serve(settings: Message, channel: Channel) -> tuple[Server, Health]:
    handler = resolve_name(settings["handler"])
    options = {key: resolve_name(value) if key in NAMED else value for key, value in settings["options"].items()}
    health = Health(channel, settings["mark"], options.pop("process_request", None))

    async def routed(ws: ServerConnection) -> None:
        if ws.request is not None and ws.request.path == health.echo_path:
            async for message in ws:
                await ws.send(message)
        else:
            await handler(ws)

    if not inspect.iscoroutinefunction(handler):
        raise LabError(say("{name} is no 'async def' function: a handler must be one", name=settings["handler"]))
    if settings["setup"]:
        await resolve_name(settings["setup"])()
    options = {"create_connection": facts.ReportingConnection, **options}
    server = await serve(routed, name=settings["name"], tap=False, process_request=health.process_request, **options)
    return server, health


def _last_line(exc: BaseException) -> str:
    line = traceback.format_exception_only(exc)[-1].strip()
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(("<frozen", sys.prefix, sys.base_prefix))]
    place = own[-1] if own and Path(own[-1].filename).parent != Path(__file__).parent else None
    return f"{line} ({Path(place.filename).name}, line {place.lineno})" if place else line


if __name__ == "__main__":
    main(Path(sys.argv[1]))
