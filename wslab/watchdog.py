"""A handler that blocks the notebook's loop is found, named by its line, and freed; interrupts come through.

Rules of this file: only tasks of the lesson are ever ended, never a cell and never the notebook's own machinery.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from .errors import say
from .guard import throw, where

TICK_S = 0.2
BLOCKED_S = 1.5
AGAIN_S = 0.1  # until the second look: where the whole process stood still, the loop ticks again by then

# The machinery of the notebook is not the lesson's work: tasks whose outermost code lies in one of these.
MACHINERY = (
    "ipykernel",
    "tornado",
    "zmq",
    "jupyter_client",
    "anyio",
    "IPython",
    "nbclient",
    "_pytest",
    "pytest_asyncio",
)


class BlockedLoop(BaseException):
    """Thrown into a handler that blocks the notebook's loop."""


def is_machinery(task: asyncio.Task[Any]) -> bool:
    """Does `task` belong to the notebook's own machinery (or to a cell that it runs)?"""
    code = getattr(task.get_coro(), "cr_code", None)
    path = code.co_filename.replace("\\", "/") if code is not None else ""
    return any(f"/{package}/" in path for package in MACHINERY)


class _Ticker:
    """Ticks on a loop of the main thread, and frees that loop when a handler blocks it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.users = 0
        self._loop = loop
        self._beat = time.monotonic()
        self._victim: asyncio.Task[Any] | None = None
        self._message = ""
        self._task: asyncio.Task[None] | None = None
        self._handler: Any = None

    def start(self) -> None:
        self._task = self._loop.create_task(self._tick(), name="wslab ticker")
        if hasattr(signal, "SIGUSR1"):
            self._handler = signal.signal(signal.SIGUSR1, self._free)
        threading.Thread(target=self._watch, name="wslab watchdog", daemon=True).start()

    def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None and not self._loop.is_closed():
            task.cancel()
        if self._handler is not None:
            signal.signal(signal.SIGUSR1, _late if self._handler is signal.SIG_DFL else self._handler)

    async def _tick(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(TICK_S)

    def _watch(self) -> None:
        thrown = time.monotonic()
        while self._task is not None and not self._loop.is_closed():
            time.sleep(TICK_S)
            if not self._is_late(thrown):
                continue
            time.sleep(AGAIN_S)
            task = asyncio.current_task(self._loop)
            if not self._is_late(thrown) or task is None or is_machinery(task):
                continue
            now = time.monotonic()
            place = where(threading.main_thread().ident or 0) or say("a handler")
            self._message = say(
                "{place} blocked the event loop for {seconds:.1f} s, so nothing else could run",
                place=place,
                seconds=now - self._beat,
            )
            self._victim, thrown = task, now
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            else:
                throw(threading.main_thread().ident or 0, BlockedLoop)
            advice = say(
                "{what}. It was ended. Use await asyncio.sleep(...) or asyncio.to_thread(...).", what=self._message
            )
            print(advice, file=sys.stderr)

    def _is_late(self, thrown: float) -> bool:
        return time.monotonic() - max(self._beat, thrown) >= BLOCKED_S

    def _free(self, signum: int, frame: FrameType | None) -> None:
        # Between the look and the signal the task may have yielded: then there is nobody to free.
        victim, self._victim = self._victim, None
        if victim is not None and asyncio.current_task(self._loop) is victim:
            raise BlockedLoop(self._message)


def _late(signum: int, frame: FrameType | None) -> None:
    """Take a signal that comes when its ticker has stopped: by default it would end the process."""


_tickers: dict[asyncio.AbstractEventLoop, _Ticker] = {}


def protect() -> None:
    """Watch the running loop until `release` was called as often; does nothing off the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for other in [other for other in _tickers if other.is_closed()]:
        _tickers.pop(other).stop()
    ticker = _tickers.get(loop)
    if ticker is None:
        ticker = _tickers[loop] = _Ticker(loop)
        ticker.start()
    ticker.users += 1


def release(loop: asyncio.AbstractEventLoop) -> None:
    """Undo one `protect` of `loop`."""
    ticker = _tickers.get(loop)
    if ticker is None:
        return
    ticker.users -= 1
    if ticker.users <= 0:
        _tickers.pop(loop).stop()
