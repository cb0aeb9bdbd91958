"""The load balancer: Caddy, configured and asked over its admin API on 127.0.0.1.

Rules of this file: Caddy writes nothing outside the cluster's folder, and an open WebSocket outlives a change of
configuration (`stream_close_delay`; without it Caddy closes all of them with 1001).
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import websockets

from ..errors import LabError, say
from . import children
from .binaries import find
from .control import HEALTH, HOST

POLICIES: dict[str, dict[str, Any]] = {
    "round_robin": {"policy": "round_robin"},
    "least_conn": {"policy": "least_conn"},
    "cookie": {"policy": "cookie", "name": "lb", "fallback": {"policy": "round_robin"}},
}
START_S, CALL_S, STOP_S, ATTEMPTS = 15.0, 5.0, 0.3, 3

Probe = Callable[[int], Awaitable[None]]  # raises while what listens on the port does not serve


class Caddy:
    """A running Caddy in front of upstreams on 127.0.0.1, which go by their ports."""

    def __init__(self, folder: Path, policy: str, stream_close_delay: str) -> None:
        if policy not in POLICIES:
            raise LabError(
                say("there is no policy {policy!r}: choose one of {known}", policy=policy, known=", ".join(POLICIES))
            )
        self.port = self._admin = 0
        self._folder, self._policy, self._delay = folder, policy, stream_close_delay
        self._child: children.Child | None = None

    @property
    def pid(self) -> int:
        """Its process id; 0 before the start."""
        return self._child.pid if self._child is not None else 0

    async def start(self, upstreams: Sequence[int], probe: Probe) -> None:
        """Start it, and wait until `probe` has gone as many times through its port as there are upstreams.

        Raises:
            LabError: If it does not come to serve, with the last line of what it said.
        """
        program = find("caddy")
        config = self._folder / "caddy.json"
        for _ in range(ATTEMPTS):  # a port that was free may be taken by the time that Caddy asks for it
            self.port, self._admin = _free_ports(2)
            config.write_text(json.dumps(self._config(upstreams)), "utf-8")
            self._child = await asyncio.to_thread(
                children.start,
                "Caddy",
                [program, "run", "--config", str(config)],
                log=self._folder / "caddy.log",
                env={name: str(self._folder) for name in HOMES},
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(START_S):
                    if await self._ready(self._child, len(upstreams), probe):
                        return
            await self._child.end()
        assert self._child is not None
        raise LabError(say("the load balancer does not serve: {line}", line=self._child.last_line()))

    async def set_upstreams(self, ports: Sequence[int]) -> None:
        """Change the list of upstreams."""
        await self._ask("PATCH", "/id/lb/upstreams", _upstreams(ports))

    async def upstreams(self) -> dict[int, dict[str, int]]:
        """What Caddy knows of each upstream: `num_requests`, which counts open WebSockets, and recent `fails`."""
        found = await self._ask("GET", "/reverse_proxy/upstreams")
        return {int(upstream["address"].rpartition(":")[2]): upstream for upstream in found}

    def kill(self) -> None:
        """End it at once."""
        if self._child is not None:
            self._child.kill()

    async def stop(self) -> None:
        """Let it stop by itself, for a moment; then end it."""
        if self._child is not None:
            with suppress(LabError):
                await self._ask("POST", "/stop", timeout_s=STOP_S)  # Windows knows no gentle signal
            await self._child.end(STOP_S)

    async def _ready(self, child: children.Child, echoes: int, probe: Probe) -> bool:
        """Wait for that many echoes; says whether they came before it ended."""
        while echoes:
            try:
                await probe(self.port)
                echoes -= 1
            except (OSError, websockets.WebSocketException):
                if await child.ended(0.01):
                    return False
        return child.running

    async def _ask(self, method: str, path: str, body: object = None, timeout_s: float = CALL_S) -> Any:
        try:
            status, answer = await asyncio.to_thread(self._call, method, path, body, timeout_s)
        except (OSError, http.client.HTTPException) as exc:
            raise LabError(say("the load balancer does not answer: {error}", error=exc)) from None
        if status != 200:
            raise LabError(say("the load balancer refuses: {error}", error=answer.decode("utf-8", "replace").strip()))
        return json.loads(answer) if answer else None

    def _call(self, method: str, path: str, body: object, timeout_s: float) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self._admin, timeout=timeout_s)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _config(self, upstreams: Sequence[int]) -> dict[str, Any]:
        proxy = {
            "@id": "lb",
            "handler": "reverse_proxy",
            "upstreams": _upstreams(upstreams),
            "load_balancing": {
                "selection_policy": POLICIES[self._policy],
                "try_duration": "1s",
                "try_interval": "100ms",
            },
            "health_checks": {
                # A machine that is busy with other things must not make a healthy server look ill.
                "active": {"uri": HEALTH, "interval": "250ms", "timeout": "1s", "passes": 1, "fails": 1},
                "passive": {"fail_duration": "500ms", "max_fails": 1},
            },
            **({"stream_close_delay": self._delay} if self._delay else {}),
        }
        server = {
            "listen": [f"{HOST}:{self.port}"],
            "protocols": ["h1"],
            "automatic_https": {"disable": True},
            "routes": [{"handle": [proxy]}],
        }
        return {
            "admin": {"listen": f"{HOST}:{self._admin}", "config": {"persist": False}},
            "storage": {"module": "file_system", "root": str(self._folder / "storage")},
            "logging": {"logs": {"default": {"level": "WARN"}}},
            "apps": {"http": {"grace_period": "1s", "servers": {"lab": server}}},
        }


HOMES = ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA")


def _upstreams(ports: Sequence[int]) -> list[dict[str, str]]:
    # Caddy's round robin begins with the second of its list: put the first server there.
    return [{"dial": f"{HOST}:{port}"} for port in (*ports[-1:], *ports[:-1])]


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
