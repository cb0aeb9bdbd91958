"""Learner's code on a thread and loop of its own, ended when it does not let that loop turn.

Rules of this file: a stretch without a turn is measured by a heartbeat on the loop itself, never guessed from silence,
and blamed on the code only where one of its own lines was seen running.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ctypes
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TypeVar

from .errors import say
from .origin import LIBRARIES

Result = TypeVar("Result")

BEAT_S = 0.02
STARVED_S = 1.0
INJECTIONS = 5


class Starved(BaseException):
    """Thrown into a learner's code that does not let the event loop turn."""


def where(thread_id: int, pristine: tuple[str, ...] = ()) -> str:
    """The innermost line of a thread that is no library's: "line 3 of its cell, in echo()"; else an empty string.

    `pristine` are the folders of more files that are nobody's mistake.
    """
    frame: FrameType | None = sys._current_frames().get(thread_id)
    while frame is not None and frame.f_code.co_filename.startswith((*LIBRARIES, *pristine)):
        frame = frame.f_back
    if frame is None:
        return ""
    code = frame.f_code
    path = Path(code.co_filename)
    file = say("its cell") if path.parent.name.startswith("ipykernel_") else path.name
    return say("line {line} of {file}, in {function}()", line=frame.f_lineno, file=file, function=code.co_name)


class Guard:
    """A thread with an event loop for code that may misbehave.

    What was seen: `starved`, how often the code had to be ended; `blocked_s`, the longest time for which the loop
    stood still, and `place`, the line where; `complaints`, what the loop said about tasks that nobody looked after.
    Use as a context manager, and call `look()` often from another thread. Lines of files in the folders `pristine` are
    not the code's own.
    """

    def __init__(self, *pristine: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._pristine = pristine
        self._excused = 0
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
                raise RuntimeError(
                    say("{error}: the code wanted to end the whole program", error=type(exc).__name__)
                ) from None

        return asyncio.run_coroutine_threadsafe(body(), self.loop)

    @contextlib.contextmanager
    def excused(self) -> Iterator[None]:
        """What the loop waits for in this block, on its own thread, is not the code's doing."""
        self._excused += 1
        try:
            yield
        finally:
            self._beat = time.monotonic()
            self._excused -= 1

    def look(self) -> None:
        """Measure how long the loop has stood still in the code's own lines, and free it after a second."""
        now, beat = time.monotonic(), self._beat
        if beat != self._seen:
            self._seen, self._since, self._looks, self._in_a_row = beat, beat, 0, 0
        silent = now - beat
        if self._excused or silent < 4 * BEAT_S or not (place := where(self._thread.ident or 0, self._pristine)):
            return
        self._looks += 1
        # A busy machine may stop this whole process for a while: only what was seen again and again counts.
        still = min(silent, self._looks * 2 * BEAT_S)
        if still > self.blocked_s:
            self.blocked_s, self.place = still, place
        if still > STARVED_S and now - self._since > STARVED_S and self._in_a_row < INJECTIONS:
            self.starved_s = max(self.starved_s, silent)
            self.starved, self._in_a_row, self._since = self.starved + 1, self._in_a_row + 1, now
            throw(self._thread.ident or 0, Starved)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while True:
            try:
                self.loop.run_until_complete(self._live())
                break
            except (Starved, KeyboardInterrupt, SystemExit):  # thrown late, or by the code itself: the loop goes on
                continue
        self.loop.close()

    def _turned(self) -> None:
        self._beat = time.monotonic()

    async def _live(self) -> None:
        ending = asyncio.ensure_future(self._ending.wait())
        while not ending.done():
            self._turned()
            # A callback is run before any task that its turn wakes: two stretches of code are never taken for one.
            self.loop.call_later(BEAT_S, self._turned)
            await asyncio.wait([ending], timeout=BEAT_S)
        me = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not me]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=STARVED_S)


def throw(thread_id: int, exception: type[BaseException]) -> None:
    """Raise `exception` in a thread, at the next line of Python that it runs; a sleep is not woken."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(exception))
