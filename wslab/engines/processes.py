"""Server processes, as the kernel sees them: start, drain, stop, kill, freeze, restart.

Rules of this file: a process is ready when an echo came back from it; every wait has an end, and says in one line what
it waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import websockets

from ..errors import LabError, say
from ..tap import Tap
from .children import Child
from .control import HOST, Channel, Message
from .work import Work

START_S, STOP_S, NOTICE_S = 20.0, 1.4, 5.0
LOOK_S, LAST_WORDS_S = 0.05, 0.5

Noticed = Callable[[bool], Awaitable[None]]  # waits until the balancer knows whether the server is healthy


class ServerProcess:
    """One server in a process of its own, behind its tap."""

    def __init__(self, name: str, work: Work, tap: Tap, environment: Mapping[str, str]) -> None:
        self.name, self.tap = name, tap
        self.port = 0
        self.frozen = self.draining = False
        self.noticed: Noticed | None = None
        self._work = work
        self._environment = {**environment, "WSLAB_SERVER": name}
        self._child: Child | None = None
        self._channel: Channel | None = None
        self._reader: asyncio.Task[None] | None = None
        self._health: asyncio.Future[bool] | None = None

    def __repr__(self) -> str:
        states = {"frozen": self.frozen, "draining": self.draining, "running": True}
        return f"<{self.name}: {next(state for state in states if states[state]) if self.running else 'stopped'}>"

    @property
    def running(self) -> bool:
        """Has it been started, and not ended?"""
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int:
        """Its process id; 0 before the start."""
        return self._child.pid if self._child is not None else 0

    @property
    def memory_bytes(self) -> int:
        """How much memory it holds."""
        return self._child.memory_bytes if self._child is not None else 0

    def tell(self, line: str) -> None:
        """Send one line to the recording's part in the process; a process that ended hears nothing."""
        self._send({"tell": line})

    async def start(self) -> None:
        """Start it, and wait until an echo came back.

        Raises:
            LabError: If it does not come to serve, with the last line of what it said.
        """
        token, arriving = self._work.switchboard.expect()
        self._child = child = await asyncio.to_thread(self._work.start, self.name, self._environment, token)
        self.frozen = self.draining = False
        try:
            async with asyncio.timeout(START_S):
                await self._arrived(arriving)
                await self._work.probe(self.port)
        except (TimeoutError, ConnectionError, OSError, websockets.WebSocketException):
            await self.end()
            raise LabError(
                say("{name} did not begin to serve: {line}", name=self.name, line=child.last_line())
            ) from None
        except BaseException:
            await self.end()
            raise
        self.tap.target = HOST, self.port

    async def drain(self) -> None:
        """Keep the open connections and get no new ones: health checks are answered 503, and the balancer knows it."""
        self.draining = True
        self._send({"drain": True})
        if self.noticed is not None:
            await self.noticed(False)

    async def stop(self, code: int = 1001, reason: str = "") -> None:
        """Close every connection with `code`, and end the process, all within two seconds."""
        if self._child is not None:
            self._send({"stop": code, "reason": reason})
            await self._child.end(0.0 if self.frozen else STOP_S)

    def kill(self) -> None:
        """End the process at once, as a crash would: no close frame, no clean-up."""
        if self._child is not None:
            self._child.kill()

    async def end(self) -> None:
        """End the process at once, and wait for its end."""
        if self._child is not None:
            await self._child.end()

    def freeze(self) -> None:
        """Let the process stand still with everything open: it answers nothing, and nobody is told."""
        if self._child is not None:
            self._child.suspend()
            self.frozen = True

    def thaw(self) -> None:
        """Let a frozen process go on."""
        if self._child is not None:
            self._child.resume()
            self.frozen = False

    async def restart(self, code: int = 1012, reason: str = "") -> None:
        """Stop the process, if it still runs, and start it anew behind the same tap; the balancer knows it."""
        await self.stop(code, reason)
        await self.start()
        if self.noticed is not None:
            await self.noticed(True)

    async def checked(self, healthy: bool = True) -> None:
        """Wait until a health check has been answered so.

        Raises:
            LabError: If it does not ask within some seconds.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(NOTICE_S):
                while self.running:
                    if self._health is None or self._health.done():
                        self._health = asyncio.get_running_loop().create_future()
                    if await asyncio.shield(self._health) is healthy:
                        return
        raise LabError(say("the balancer has not asked {name} for its health", name=self.name))

    async def _arrived(self, arriving: asyncio.Future[Channel]) -> None:
        """Wait for the process's line, then for its port."""
        assert self._child is not None
        while not arriving.done():
            running = self._child.running
            await asyncio.wait([arriving], timeout=LOOK_S if running else LAST_WORDS_S)
            if not running and not arriving.done():
                raise ConnectionError
        self._channel = channel = arriving.result()
        answer = await channel.receive() or {}
        while "fact" in answer:
            self._take(answer)
            answer = await channel.receive() or {}
        if "failed" in answer:
            raise LabError(
                say(
                    "{name} cannot serve {handler}: {error}",
                    name=self.name,
                    handler=self._work.handler,
                    error=answer["failed"],
                )
            )
        if "ready" not in answer:
            raise ConnectionError
        self.port = answer["ready"]
        self._reader = asyncio.create_task(self._read(channel), name=f"wslab reads {self.name}")

    async def _read(self, channel: Channel) -> None:
        while (message := await channel.receive()) is not None:
            self._take(message)
        channel.close()

    def _take(self, message: Message) -> None:
        if "fact" in message:
            self._work.on_fact(self.name, message["fact"])
        elif "healthy" in message and self._health is not None and not self._health.done():
            self._health.set_result(message["healthy"])

    def _send(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.send(message)
