"""What could keep the lessons from running on this computer: `wslab doctor` tries it and prints a line for each.

Rules of this file: whatever a probe raises is a line, and the next probe is tried.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from importlib import metadata

from . import state
from .errors import later, say


def examine() -> bool:
    """Print what every probe finds; says whether all is well."""
    good = True
    ok, problem = say("ok"), say("problem")
    column = max(len(ok), len(problem)) + 2
    for name, probe in PROBES.items():
        try:
            found = probe()
            print(f"{ok:<{column}}{say(name)}: {found}")
        except Exception as exc:  # whatever it is, the doctor names it and goes on
            good = False
            print(f"{problem:<{column}}{say(name)}: {exc}")
    return good


def _python() -> str:
    return sys.version.split()[0]


def _packages() -> str:
    names = ("jupyterlab", "websockets", "nest-asyncio2", "nbval", "matplotlib")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _folder() -> str:
    folder = state.folder()
    return say("what you did is kept in {folder}", folder=folder)


def _echo() -> str:
    from websockets import connect
    from websockets.asyncio.server import ServerConnection

    from .server import serve

    async def echo(ws: ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    async def once() -> str:
        server = await serve(echo)
        try:
            async with connect(server.url) as ws:
                await ws.send("hello")
                return say("{message!r} came back over 127.0.0.1", message=await asyncio.wait_for(ws.recv(), 2))
        finally:
            await server.stop()

    return asyncio.run(once())


def _proxy() -> str:
    proxies = [name for name in ("http_proxy", "https_proxy", "all_proxy") if os.environ.get(name)]
    return say("{names} set; 127.0.0.1 goes past it", names=", ".join(proxies)) if proxies else say("none set")


PROBES: dict[str, Callable[[], str]] = {
    later("Python"): _python,
    later("packages"): _packages,
    later("folder"): _folder,
    later("proxy"): _proxy,
    later("live echo"): _echo,
}
