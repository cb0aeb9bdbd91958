"""Loopback only: the address of every server, who may speak to it, and how clients get there past a proxy.

Rules of this file: 127.0.0.1 and nothing else; a page's name in `Host` is not this machine's (DNS rebinding).
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from .linked import LinkedConnection

ProcessRequest = Callable[[ServerConnection, Request], Any]

HOST = "127.0.0.1"
LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?", re.IGNORECASE)


def refuse_foreign_host(hosts: set[str], inner: ProcessRequest | None) -> ProcessRequest:
    """Answer 403 to a Host that is not this machine (DNS rebinding), then ask the lesson's own `process_request`."""

    async def process_request(connection: ServerConnection, request: Request) -> Response | None:
        if isinstance(connection, LinkedConnection):
            connection.asked()
        asked = request.headers.get_all("Host")
        if len(asked) != 1 or not (LOOPBACK.fullmatch(asked[0]) or asked[0] in hosts):
            return connection.respond(403, "this server answers only to 127.0.0.1\n")
        if inner is None:
            return None
        answer: Response | Awaitable[Response | None] | None = inner(connection, request)
        return await answer if inspect.isawaitable(answer) else answer

    return process_request


def bypass_proxy() -> None:
    """Put 127.0.0.1 into `no_proxy` once: `http_proxy` would divert even loopback clients."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if HOST not in [host.strip() for host in listed.split(",")]:
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = f"{listed},{HOST}".lstrip(",")
