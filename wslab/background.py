"""An event loop on a thread of its own, and the way to it from another loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

END_S, JOIN_S = 2.0, 0.1


async def on_loop(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Await `coroutine` on `loop`, which may be the loop of another thread."""
    if loop is asyncio.get_running_loop():
        return await coroutine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))


class LoopThread:
    """A thread that runs an event loop, for servers that must answer while the kernel's loop is busy."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=JOIN_S))
        finally:
            self.loop.close()

    async def end(self, last: Coroutine[Any, Any, None] | None = None) -> None:
        """Await `last` on the loop, then stop it; a loop that a handler blocks is left to end by itself."""

        async def finish() -> None:
            if last is not None:
                await last

        finishing = asyncio.run_coroutine_threadsafe(finish(), self.loop)
        finishing.add_done_callback(lambda _: self.loop.call_soon_threadsafe(self.loop.stop))
        await asyncio.wait([asyncio.wrap_future(finishing)], timeout=END_S)
        if finishing.done():
            await asyncio.to_thread(self._thread.join, 2 * JOIN_S)
