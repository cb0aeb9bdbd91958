"""A learner's handler on a real server, on the learner's loop, without a tap: the check puts its own before it.

Rules of this file: it runs on the learner's loop, and nothing here judges.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

from .errors import say
from .guard import Starved
from .server import Server, serve


class Hosted:
    """`handler` on a server called `name`; `tasks` run it now, once for each connection."""

    def __init__(self, handler: Callable[..., Any], name: str) -> None:
        self.name = name
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._handler = handler
        self._server: Server | None = None

    async def start(self, **options: Any) -> None:
        """Serve, on a free port of 127.0.0.1; `options` are those of `websockets.serve`."""
        self._server = await serve(self._run, name=self.name, tap=False, **options)
        self.port = int(self._server.url.rpartition(":")[2])

    async def _run(self, ws: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._handler(ws)
        except Starved:
            raise RuntimeError(say("ended by the check, because it did not let the event loop turn")) from None
        finally:
            self.tasks.discard(task)

    @property
    def handlers(self) -> set[asyncio.Task[None]]:
        """The tasks that run the handler now, the library's around it included."""
        library = self._server.library if self._server is not None else None
        return self.tasks | (library.handler_tasks if library is not None else set())

    def raised(self) -> str:
        """The exception that left a handler last, as "Type: text", or an empty string."""
        if self._server is None or not self._server.errors:
            return ""
        error = self._server.errors[-1]
        return f"{type(error).__name__}: {error}"

    async def stop(self) -> None:
        """End every connection and free the port."""
        if self._server is None:
            return
        await self._server.stop()
        for error in self._server.errors:  # so that a coroutine that its frames hold is missed now, not cells later
            traceback.clear_frames(error.__traceback__)
