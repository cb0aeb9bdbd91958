"""When is everything at rest? Whether a step has ended is known, not guessed from silence.

At rest means: no tap holds bytes, no socket of tap or server has unread or unwritten ones, every handler waits for input,
and no task that began since is still at work. What lies in the future (a timer, a sleeping task started before, another
process) cannot be known: await the message it sends, then settle.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Collection, Iterable
from types import AsyncGeneratorType, CodeType, CoroutineType
from typing import Any

from .server import Server

try:
    import array
    import fcntl
    import termios
except ImportError:  # Windows: taps, handlers and silence must do
    fcntl = None  # type: ignore[assignment]

LOOKS = 3
PAUSE_S = 0.0005
TIMEOUT_S = 5.0

# A task that waits in one of these has nothing to do until somebody speaks to it.
PARKED = frozenset(
    "Connection.recv LinkedConnection.recv Connection.recv_streaming Connection.wait_closed Connection.keepalive "
    "ServerConnection.keepalive ClientConnection.keepalive Queue.get Event.wait Condition.wait".split()
)
# The machinery of the notebook, of the library and of the kit itself is not the lesson's work.
MACHINERY = ("ipykernel", "tornado", "zmq", "jupyter_client", "anyio", "IPython", "nbclient", "_pytest", "pytest_asyncio")


Task = asyncio.Task[Any]


def pending(servers: Iterable[Server], known: Collection[Task], resident: Collection[Task]) -> str:
    """Why it is not quiet yet, in words, or an empty string.

    `known` are the tasks that were there before; `resident` those that may go on working.
    """
    for server in servers:
        if server.tap is not None and (reason := server.tap.pending()):
            return reason
        for sock in _sockets(server):
            if _unread(sock):
                return f"a socket of {server.name} holds bytes that nobody has read"
        for connection in server.connections:
            if connection.transport.get_write_buffer_size():
                return f"{server.name} still writes to a client that does not read"
    for task in _tasks(servers):
        if task.done() or task in known or task in resident or _is_machinery(task) or _is_parked(task):
            continue
        return f"{_name(task)} still runs"
    return ""


def current_tasks() -> set[Task]:
    """The tasks of the running loop."""
    return set(asyncio.all_tasks())


def _tasks(servers: Iterable[Server]) -> list[Task]:
    loops = {server.loop for server in servers if server.running} | {asyncio.get_running_loop()}
    current = asyncio.current_task()
    return [task for loop in loops for task in asyncio.all_tasks(loop) if task is not current]


def _chain(task: Task) -> list[CodeType]:
    """The code of the coroutines that a task is in, outermost first."""
    codes: list[CodeType] = []
    awaited: object = task.get_coro()
    while awaited is not None and len(codes) < 100:
        if type(awaited).__name__ == "async_generator_asend":  # of an `async for`; only the collector sees through it
            awaited = next((found for found in gc.get_referents(awaited) if isinstance(found, AsyncGeneratorType)), None)
        if isinstance(awaited, CoroutineType):
            codes.append(awaited.cr_code)
            awaited = awaited.cr_await
        elif isinstance(awaited, AsyncGeneratorType):
            codes.append(awaited.ag_code)
            awaited = awaited.ag_await
        else:
            break
    return codes


def _is_parked(task: Task) -> bool:
    return any(code.co_qualname in PARKED for code in _chain(task))


def _is_machinery(task: Task) -> bool:
    codes = _chain(task)
    path = codes[0].co_filename.replace("\\", "/") if codes else ""
    return any(f"/{package}/" in path for package in MACHINERY)


def _name(task: Task) -> str:
    coroutine = task.get_coro()
    name = coroutine.__qualname__ if isinstance(coroutine, CoroutineType) else task.get_name()
    if name.endswith("protocol_handler"):
        return "a handler"
    return f"the task {name!r}"


def _sockets(server: Server) -> list[socket.socket]:
    transports = [connection.transport for connection in server.connections]
    if server.tap is not None:
        for relayed in server.tap.connections:
            transports += [side.transport for side in (relayed.client, relayed.server) if side is not None and not side.gone]
    found = (transport.get_extra_info("socket") for transport in transports)
    return [sock for sock in found if sock is not None and sock.fileno() >= 0]


def _unread(sock: socket.socket) -> bool:
    """Does the system hold bytes for `sock`? (FIONREAD; TIOCOUTQ counts bytes that are only not acknowledged yet.)"""
    if fcntl is None:
        return False
    count = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, count)
    return count[0] > 0
