"""When is everything at rest? Whether a step has ended is known, not guessed from silence.

At rest means: no tap holds bytes, no socket of tap or server has unread or unwritten ones, every handler waits for
input, and no task that began since is still at work; server processes of the kit say so of themselves. What lies in the
future (a timer, a sleeping task started before) or in another program, such as a broker, cannot be known: await the
message it sends, then settle.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Collection, Coroutine, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from types import AsyncGeneratorType, CodeType, CoroutineType
from typing import Any, Protocol

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server as LibraryServer
from websockets.asyncio.server import ServerConnection

from .errors import RecordingError, say
from .server import Server, running_servers
from .tap import Tap
from .watchdog import is_machinery

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
PARKED: set[CodeType] = {
    function.__code__
    for function in (
        Connection.recv,
        Connection.recv_streaming,
        Connection.wait_closed,
        Connection.keepalive,
        ServerConnection.handshake,
        LibraryServer.wait_closed,
        LibraryServer.serve_forever,
        asyncio.Server.serve_forever,
        asyncio.Queue.get,
        asyncio.Queue.put,
        asyncio.Queue.join,
        asyncio.Event.wait,
        asyncio.Condition.wait,
        asyncio.Lock.acquire,
        asyncio.Semaphore.acquire,
        asyncio.Barrier.wait,
        asyncio.StreamReader.read,
        asyncio.StreamReader.readuntil,
        asyncio.StreamReader.readexactly,
        asyncio.TaskGroup.__aexit__,  # its tasks are looked at themselves
    )
}
# These wait for futures, found in the named variable: it is enough to look at those that are tasks by themselves.
WAITING = {asyncio.wait.__code__: "fs", asyncio.wait_for.__code__: "fut"}
# What stands between two coroutines; only the collector sees through it, as through another library's own wrappers.
WRAPPERS = {"async_generator_asend", "coroutine_wrapper"}
NATIVE = (CoroutineType, AsyncGeneratorType)
HERE = str(Path(__file__).parent)

Task = asyncio.Task[Any]


class Recorded(Protocol):
    """What can be recorded: a server, or several processes, which also tell `async at_rest()`."""

    name: str
    running: bool
    loop: asyncio.AbstractEventLoop

    @property
    def taps(self) -> list[Tap]: ...


async def settle(
    places: Collection[Recorded], count: Callable[[], int], known: Collection[Task], resident: Collection[Task]
) -> None:
    """Wait until everything is at rest and `count()`, of what was seen so far, does not grow.

    Raises:
        RecordingError: If something still works after five seconds; the message says what.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TIMEOUT_S
    calm, seen, reason = 0, -1, ""
    processes = [place for place in places if hasattr(place, "at_rest")]
    while calm < LOOKS:
        await asyncio.sleep(PAUSE_S)
        reason = pending(places, known, resident)
        calm = calm + 1 if not reason and count() == seen else 0
        seen = count()
        if calm == LOOKS and processes:
            reason = next(filter(None, [await place.at_rest() for place in processes]), "")
            # Each process spoke for itself: what one of them sent while another answered is seen by now.
            calm = LOOKS if not reason and count() == seen and not pending(places, known, resident) else 0
        if calm < LOOKS and loop.time() > deadline:
            raise RecordingError(
                say(
                    "not settled after {seconds:.0f} s: {reason}. "
                    "Await what it does, or name a task that never ends in settled(resident=[task]).",
                    seconds=TIMEOUT_S,
                    reason=reason or say("messages keep coming"),
                )
            )


def pending(places: Iterable[Recorded], known: Collection[Task], resident: Collection[Task]) -> str:
    """Why it is not quiet yet, in words, or an empty string.

    `known` are the tasks that were there before; `resident` those that may go on working. A handler is looked at
    whenever it began.
    """
    places = list(places)
    servers = [place for place in places if isinstance(place, Server)]
    for place in places:
        if reason := next(filter(None, (tap.pending() for tap in place.taps)), ""):
            return reason
        if client := _between(place.taps):
            return say("a frame of {client} is between two taps", client=client)
        if any(_unread(sock) for sock in _sockets(place)):
            return say("a socket of {server} holds bytes that nobody has read", server=place.name)
    for server in servers:
        if any(connection.transport.get_write_buffer_size() for connection in server.all_connections):
            return say("{server} still writes to a client that does not read", server=server.name)
    handlers = {task: name for server in servers for task, name in server.handlers().items()}
    for task in _tasks(servers):
        if task in resident or (task in known and task not in handlers):
            continue
        kit = _is_kit(task) and task not in handlers  # in a process the kit's own code calls the handler
        if not (task.done() or is_machinery(task) or kit or _is_parked(task)):
            return say("{task} still runs", task=handlers.get(task) or _name(task))
    return ""


def _between(taps: list[Tap]) -> str:
    """Whose frame was seen before a balancer and not yet behind it, or the other way round; an empty string if none."""
    open_ones = [c for tap in taps for c in list(tap.connections) if not (c.lost or c.closing or c.health)]
    fronts = {(c.tap.server, c.link.name, c.link.life): c for c in open_ones}
    for back in open_ones:
        front = fronts.get((back.tap.client or "", back.link.name, back.link.life))
        if front is not None and front.frames != back.frames:
            return back.link.name
    return ""


def park(*functions: Any) -> None:
    """A task that waits in one of these, too, has nothing to do until somebody speaks to it."""
    PARKED.update(function.__code__ for function in functions)


def current_tasks() -> set[Task]:
    """The tasks of the running loop, if any, and of the loops of all servers."""
    return set(_tasks(running_servers()))


def _tasks(servers: Iterable[Server]) -> list[Task]:
    loops = {server.loop for server in servers if not server.loop.is_closed()}
    current = None
    with suppress(RuntimeError):  # asked outside any loop
        loops.add(asyncio.get_running_loop())
        current = asyncio.current_task()
    return [task for loop in loops for task in asyncio.all_tasks(loop) if task is not current]


def _chain(task: Task) -> list[CoroutineType[Any, Any, Any] | AsyncGeneratorType[Any, Any]]:
    """The coroutines that a task is in, outermost first."""
    chain: list[CoroutineType[Any, Any, Any] | AsyncGeneratorType[Any, Any]] = []
    awaited: object = task.get_coro()
    while awaited is not None and len(chain) < 100:
        if isinstance(awaited, Coroutine | Generator) or type(awaited).__name__ in WRAPPERS:
            awaited = next((item for item in [awaited, *gc.get_referents(awaited)] if isinstance(item, NATIVE)), None)
        if isinstance(awaited, CoroutineType):
            chain.append(awaited)
            awaited = awaited.cr_await
        elif isinstance(awaited, AsyncGeneratorType):
            chain.append(awaited)
            awaited = awaited.ag_await
        else:
            break
    return chain


def _is_parked(task: Task) -> bool:
    future = getattr(task, "_fut_waiter", None)
    if future is None or future.done():
        return False  # it is about to go on
    if isinstance(future, asyncio.Task):
        return True  # the other task is looked at itself
    if children := getattr(future, "_children", None):  # of `gather`
        return all(isinstance(child, asyncio.Task) for child in children)
    for link in reversed(_chain(task)):
        code = link.cr_code if isinstance(link, CoroutineType) else link.ag_code
        if code in PARKED:
            return True
        if code.co_filename.startswith(HERE):
            return False  # the kit calls the lesson here, within a handshake for example
        if code in WAITING and isinstance(link, CoroutineType) and link.cr_frame is not None:
            waited = link.cr_frame.f_locals.get(WAITING[code])
            if all(isinstance(item, asyncio.Task) for item in (waited if isinstance(waited, set) else [waited])):
                return True  # those tasks are looked at themselves
    return False


def _is_kit(task: Task) -> bool:
    """Is it the kit's own work, such as a ticker?"""
    chain = _chain(task)
    return bool(chain) and isinstance(chain[0], CoroutineType) and chain[0].cr_code.co_filename.startswith(HERE)


def _name(task: Task) -> str:
    coroutine = task.get_coro()
    name = coroutine.__qualname__ if isinstance(coroutine, CoroutineType) else task.get_name()
    return say("the task {name!r}", name=name)


def _sockets(place: Recorded) -> list[socket.socket]:
    transports = [transport for tap in place.taps for transport in tap.transports()]
    if isinstance(place, Server):
        transports += [connection.transport for connection in place.all_connections]
    found = (transport.get_extra_info("socket") for transport in transports)
    return [sock for sock in found if sock is not None and sock.fileno() >= 0]


def _unread(sock: socket.socket) -> bool:
    """Does the system hold bytes for `sock`? (FIONREAD; TIOCOUTQ counts bytes that are only not acknowledged yet.)"""
    if fcntl is None:
        return False
    count = array.array("i", [0])
    with suppress(OSError, ValueError):  # closed meanwhile, on another thread
        fcntl.ioctl(sock.fileno(), termios.FIONREAD, count)
    return count[0] > 0
