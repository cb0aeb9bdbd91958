"""Many clients in one process, `python -m wslab.engines.clients SETTINGS`: the far end of `load`.

Orders and results go over the line to the kernel; the process ends when that line ends, and
after `LIFE_S` at the latest.

Rules of this file: a client is `websockets` without its I/O on a bare asyncio protocol, so that the clients cost less
than the server that is measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from .control import Channel, Message, dial

AT_ONCE = 50  # handshakes under way: fewer than a listening socket queues
OPEN_S, LISTEN_S, CLOSE_S, LIFE_S = 60.0, 30.0, 15.0, 600.0
REPORT_S = 0.1
SPARE_FILES = 64
ANSWERS = 1_000_000  # that are measured at once


class Client(asyncio.Protocol):
    """One connection. `arrived` is when its last whole message came; `next_message` waits for one."""

    transport: asyncio.Transport

    def __init__(self, address: WebSocketURI) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.arrived = 0.0
        self._message: asyncio.Future[None] | None = None
        self._protocol = ClientProtocol(address)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._protocol.receive_data(data)
        self._flush()
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                self._answered()
            elif event.fin and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self.arrived = now
                if self._message is not None and not self._message.done():
                    self._message.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)
        for waiting in (self.opened, self._message):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionError("the connection has ended"))

    def send(self, text: bytes) -> None:
        """Send a text message."""
        self._protocol.send_text(text)
        self._flush()

    async def close(self) -> None:
        """Close politely, and wait for the end."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        await self.lost

    def next_message(self) -> asyncio.Future[None]:
        """Becomes done with the next whole message, and fails when the connection ends."""
        self._message = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            self._message.set_exception(ConnectionError("the connection has ended"))
        return self._message

    def _answered(self) -> None:
        if self.opened.done():
            return
        if self._protocol.handshake_exc is None:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError(str(self._protocol.handshake_exc)))

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.transport.write(data)
            else:
                self.transport.write_eof()


def room(wanted: int) -> int:
    """Raise this process's limit of open files as far as `wanted` connections need; returns how many it allows.

    Never more than WSLAB_CONNECTIONS says, where that is set, for computers that many people share.
    """
    wanted = min(wanted, int(os.environ.get("WSLAB_CONNECTIONS") or wanted))
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return wanted
    needed = psutil.Process().num_fds() + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed + wanted:
        raised = needed + wanted if hard == resource.RLIM_INFINITY else min(needed + wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if soft == resource.RLIM_INFINITY else max(0, min(wanted, soft - needed))


def main(path: Path) -> None:
    """Do as the settings in `path` say, until the kernel is gone."""
    with suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(_main(json.loads(path.read_text("utf-8"))), LIFE_S))
    os._exit(0)


async def _main(settings: Message) -> None:
    channel = await dial(settings["port"], settings["token"])
    gc.freeze()
    clients, error, seconds = await _open(settings["url"], room(settings["connections"]), channel)
    channel.send({"opened": len(clients), "error": error, "seconds": seconds})
    while (order := await channel.receive()) is not None:
        if "listen" in order:
            channel.send({"arrivals": await _listen(clients, channel)})
        elif "work" in order:
            began = time.perf_counter()
            latencies = await _work(clients, order["work"].encode(), order["seconds"])
            channel.send({"latencies": latencies, "seconds": time.perf_counter() - began})
        elif "close" in order:
            with suppress(TimeoutError):
                await asyncio.wait_for(_close(clients), CLOSE_S)
            return


async def _open(url: str, wanted: int, channel: Channel) -> tuple[list[Client], str, float]:
    """Open connections until there are as many as wanted, or one fails; returns them, why it failed, and the time."""
    address, loop = parse_uri(url), asyncio.get_running_loop()
    clients: list[Client] = []
    problems: list[str] = []
    numbers = iter(range(wanted))
    reported = start = time.perf_counter()

    async def opener() -> None:
        nonlocal reported
        for _ in numbers:
            if problems:
                return
            try:
                async with asyncio.timeout(OPEN_S):
                    _, client = await loop.create_connection(lambda: Client(address), address.host, address.port)
                    await client.opened
            except OSError as exc:
                problems.append(str(exc) or type(exc).__name__)
                return
            clients.append(client)
            if (now := time.perf_counter()) - reported > REPORT_S:
                reported = now
                channel.send({"progress": len(clients)})

    await asyncio.gather(*(opener() for _ in range(min(AT_ONCE, wanted))))
    return clients, next(iter(problems), ""), time.perf_counter() - start


async def _listen(clients: list[Client], channel: Channel) -> list[float]:
    """When the next message came to each client, on this computer's clock; those that got none are left out."""
    waiting = [client.next_message() for client in clients]
    channel.send({"listening": True})
    if waiting:
        await asyncio.wait(waiting, timeout=LISTEN_S)
    return [c.arrived for c, came in zip(clients, waiting, strict=True) if came.done() and not came.exception()]


async def _work(clients: list[Client], text: bytes, seconds: float) -> list[float]:
    """Let each client send and await the answer, over and over; returns how long each answer took."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def ask(client: Client) -> None:
        with suppress(ConnectionError, TimeoutError):
            while (sent := time.perf_counter()) < end and len(latencies) < ANSWERS:
                answer = client.next_message()
                client.send(text)
                await asyncio.wait_for(answer, LISTEN_S)
                latencies.append(client.arrived - sent)

    await asyncio.gather(*(ask(client) for client in clients))
    return latencies


async def _close(clients: list[Client]) -> None:
    """Close some at a time: the ends of thousands at once would hold up the loop of the server that serves them."""
    left = iter(clients)

    async def closer() -> None:
        for client in left:
            await client.close()

    await asyncio.gather(*(closer() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
