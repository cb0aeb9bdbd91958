"""What an event loop does all the time: it runs somebody's code, or waits for something to happen, or stands still.

`LaneWatch` notes when the loop asks the system for news (`select`): between two questions it runs callbacks, and
nothing else can. A thread looks at what runs long, and blames it on the line of the learner that it sees there.

Rules of this file: the loop behaves as it would unwatched, memory is bounded, and a stretch is never called blocked
because the machine was busy: only what was seen again and again in one line counts.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .errors import LabError, say
from .loopwatch import BLOCKS_S
from .origin import Origin, running

LOOK_S = 0.005
TOGETHER_S = 0.0005  # two stretches that are closer are told as one
MOST = 10_000


@dataclass(slots=True)
class Stretch:
    """From `start` to `end`, in seconds of `time.perf_counter`, the loop ran code; `line` is what held it."""

    start: float
    end: float
    line: Origin | None = None


class LaneWatch:
    """Within its `with` block, note the stretches in which the running loop ran code."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self.began = self.ended = time.perf_counter()
        self._since: float | None = None  # when the stretch began that runs now
        self._looks: Counter[Origin] = Counter()
        self._over = threading.Event()

    def __enter__(self) -> LaneWatch:
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        selector: Any = getattr(self._loop, "_selector", None)  # every loop of the standard library asks by this name
        if selector is None:
            raise LabError(say("this event loop cannot be observed: it is none of Python's own"))
        self._selector, ask = selector, selector.select
        self._former = vars(selector).get("select")

        def select(*args: Any, **options: Any) -> Any:
            self._waits()
            try:
                return ask(*args, **options)
            finally:
                self._looks.clear()
                self._since = time.perf_counter()

        self._looker = threading.Thread(target=self._look, name="wslab lane", daemon=True)
        self._looker.start()
        self.began = self._since = time.perf_counter()
        selector.select = select
        return self

    def __exit__(self, *exc: object) -> None:
        if self._former is None:
            del self._selector.select  # what is left is the method of its class
        else:
            self._selector.select = self._former
        self._waits()
        self._over.set()
        self._looker.join()
        self.ended = time.perf_counter()

    def _waits(self) -> None:
        """The loop has run what there was to run."""
        end, start, self._since = time.perf_counter(), self._since, None
        if start is None:
            return
        line, seen = max(list(self._looks.items()), key=lambda item: item[1], default=(None, 0))
        held = min(end - start, 2 * LOOK_S * seen) > BLOCKS_S
        last = self.stretches[-1] if self.stretches else None
        if not held and last is not None and last.line is None and start - last.end < TOGETHER_S:
            last.end = end
        elif len(self.stretches) < MOST:
            self.stretches.append(Stretch(start, end, line if held else None))

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            since = self._since
            if since is None or time.perf_counter() - since < LOOK_S:
                continue
            frame = sys._current_frames().get(self._thread_id)
            line = running(frame, self._loop) if frame is not None else None
            if line is not None and self._since == since:
                self._looks[line] += 1
