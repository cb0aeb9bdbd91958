"""A program that does not let its event loop turn is found, named by its line, and freed.

`Guard` runs a learner's code on a thread and loop of its own and ends it when it starves that loop. `protect` watches
the loop of the notebook: a ticker lets interrupts through, and a handler that blocks the loop is freed.

Rules of this file: a stretch without a turn is measured by a heartbeat on the loop itself, never guessed from silence.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import signal
import sys
import sysconfig
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")

BEAT_S = 0.02
STARVED_S = 1.0
INJECTIONS = 5
TICK_S = 0.2
BLOCKED_S = 1.5

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
_LIBRARIES = (*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), str(Path(__file__).parent), "<frozen")


class Starved(BaseException):
    """Thrown into a learner's code that does not let the event loop turn."""


class BlockedLoop(BaseException):
    """Thrown into a handler that blocks the notebook's loop."""


def is_machinery(task: asyncio.Task[Any]) -> bool:
    """Does `task` belong to the notebook's own machinery (or to a cell that it runs)?"""
    code = getattr(task.get_coro(), "cr_code", None)
    path = code.co_filename.replace("\\", "/") if code is not None else ""
    return any(f"/{package}/" in path for package in MACHINERY)


def where(thread_id: int) -> str:
    """The innermost line of a thread that is no library's: "line 3 of its cell, in echo()"; else an empty string."""
    frame: FrameType | None = sys._current_frames().get(thread_id)
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame = frame.f_back
    if frame is None:
        return ""
    code = frame.f_code
    path = Path(code.co_filename)
    file = "its cell" if path.parent.name.startswith("ipykernel_") else path.name
    return f"line {frame.f_lineno} of {file}, in {code.co_name}()"


class Guard:
    """A thread with an event loop for code that may misbehave.

    What was seen: `starved`, how often the code had to be ended; `blocked_s`, the longest time for which the loop
    stood still, and `place`, the line where; `complaints`, what the loop said about tasks that nobody looked after.
    Use as a context manager, and call `look()` often from another thread.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.starved = 0
        self.starved_s = 0.0
        self.blocked_s = 0.0
        self.place = ""
        self.complaints: list[str] = []
        self._ending = asyncio.Event()
        self._beat = time.monotonic()
        self._seen = self._since = self._beat
        self._looks = self._in_a_row = 0
        self._thread = threading.Thread(target=self._run, name="answer", daemon=True)
        self.loop.set_exception_handler(lambda loop, context: self.complaints.append(str(context.get("message"))))

    def __enter__(self) -> Guard:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        deadline = time.monotonic() + 2 * STARVED_S
        if self.loop.is_running():
            self.loop.call_soon_threadsafe(self._ending.set)
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._thread.join(BEAT_S)
            self.look()

    @property
    def lost(self) -> bool:
        """After leaving: the code could not be ended, and only restarting the kernel helps."""
        return self._thread.is_alive()

    def run(self, function: Callable[[], Awaitable[Result]]) -> concurrent.futures.Future[Result]:
        """Call `function` on the guarded loop and await what it returns; the result comes as a future."""

        async def body() -> Result:
            try:
                return await function()
            except (SystemExit, KeyboardInterrupt) as exc:  # would end the thread that asks for the result
                raise RuntimeError(f"{type(exc).__name__}: the code wanted to end the whole program") from None

        return asyncio.run_coroutine_threadsafe(body(), self.loop)

    def look(self) -> None:
        """Measure how long the loop has stood still in the code's own lines, and free it after a second."""
        now, beat = time.monotonic(), self._beat
        if beat != self._seen:
            self._seen, self._since, self._looks, self._in_a_row = beat, beat, 0, 0
        silent = now - beat
        if silent < 4 * BEAT_S or not (place := where(self._thread.ident or 0)):
            return
        self._looks += 1
        # A busy machine may stop this whole process for a while: only what was seen again and again counts.
        still = min(silent, self._looks * 2 * BEAT_S)
        if still > self.blocked_s:
            self.blocked_s, self.place = still, place
        if still > STARVED_S and now - self._since > STARVED_S and self._in_a_row < INJECTIONS:
            self.starved_s = max(self.starved_s, silent)
            self.starved, self._in_a_row, self._since = self.starved + 1, self._in_a_row + 1, now
            _throw(self._thread.ident or 0, Starved)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while True:
            try:
                self.loop.run_until_complete(self._live())
                break
            except (Starved, KeyboardInterrupt, SystemExit):  # thrown late, or by the code itself: the loop goes on
                continue
        self.loop.close()

    async def _live(self) -> None:
        ending = asyncio.ensure_future(self._ending.wait())
        while not ending.done():
            self._beat = time.monotonic()
            await asyncio.wait([ending], timeout=BEAT_S)
        me = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not me]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=STARVED_S)


def _throw(thread_id: int, exception: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(exception))


# The notebook's own loop ----------------------------------------------------------------------------------


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
            signal.signal(signal.SIGUSR1, self._handler)

    async def _tick(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(TICK_S)

    def _watch(self) -> None:
        thrown = time.monotonic()
        while self._task is not None and not self._loop.is_closed():
            time.sleep(TICK_S)
            now = time.monotonic()
            task = asyncio.current_task(self._loop)
            if now - max(self._beat, thrown) < BLOCKED_S or task is None or is_machinery(task):
                continue
            place = where(threading.main_thread().ident or 0) or "a handler"
            self._message = f"{place} blocked the event loop for {now - self._beat:.1f} s, so nothing else could run"
            self._victim, thrown = task, now
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            else:
                _throw(threading.main_thread().ident or 0, BlockedLoop)
            print(
                f"{self._message}. It was ended. Use await asyncio.sleep(...) or asyncio.to_thread(...).",
                file=sys.stderr,
            )

    def _free(self, signum: int, frame: FrameType | None) -> None:
        # Between the look and the signal the task may have yielded: then there is nobody to free.
        victim, self._victim = self._victim, None
        if victim is not None and asyncio.current_task(self._loop) is victim:
            raise BlockedLoop(self._message)


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
