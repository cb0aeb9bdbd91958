"""A check is a client: behaviours that talk to a learner's code over a real socket and judge the recording.

A behaviour is `async def name(answer)`, registered with `@behaviour("2.2", "what it looks at")`. It runs on the
judge's own thread and loop and talks to the learner's code, which runs on the guarded thread of the watchdog, through
`Answer`. It returns when it is content and raises `Wrong` when it is not.

Rules of this file: whatever the learner's code does, `judge` returns a verdict.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .answer import Answer
from .feedback import NoAnswer, Wrong, advice
from .guard import Guard, Starved
from .order import Row
from .recording import Recording
from .served import LOOK_S

__all__ = ["Answer", "NoAnswer", "Wrong", "behaviour", "judge"]

BLOCKED_S = 0.25


@dataclass
class Line:
    """One behaviour's verdict: status "ok", "FAIL" or "skip"."""

    status: str
    title: str
    wrong: Wrong | None = None


@dataclass
class Verdict:
    """All lines of one exercise, with the recording of the behaviour that failed."""

    exercise: str
    lines: list[Line] = field(default_factory=list)
    recording: Recording | None = None
    stuck: bool = False

    @property
    def passed(self) -> bool:
        return bool(self.lines) and all(line.status == "ok" for line in self.lines)

    @property
    def wrong(self) -> Wrong | None:
        return next((line.wrong for line in self.lines if line.wrong is not None), None)

    @property
    def row(self) -> Row | None:
        """The arrow to look at: the first wrong one."""
        wrong = self.wrong
        if wrong is None or wrong.where is None or self.recording is None:
            return None
        return next((row for row in self.recording.rows if wrong.where(row.event)), None)


Check = Callable[["Answer"], Awaitable[None]]
_behaviours: dict[str, list[tuple[str, Check]]] = {}


def behaviour(exercise: str, title: str) -> Callable[[Check], Check]:
    """Register a behaviour of `exercise`; they run in the order in which they stand."""

    def register(function: Check) -> Check:
        known = _behaviours.setdefault(exercise, [])
        known[:] = [item for item in known if item[1].__name__ != function.__name__]
        known.append((title, function))
        return function

    return register


def judge(exercise: str, value: Any) -> Verdict:
    """Run the behaviours of `exercise` on the learner's `value`; blocks, and returns the verdict."""
    verdict = Verdict(exercise)
    with Guard() as guard, _never_awaited() as forgotten:
        answer = Answer(exercise, value, guard)
        thread = threading.Thread(target=lambda: asyncio.run(_judge(answer, verdict, guard, forgotten)), daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_S)
            guard.look()
    verdict.stuck = guard.lost
    return verdict


async def _judge(answer: Answer, verdict: Verdict, guard: Guard, forgotten: list[str]) -> None:
    failed = False
    for title, function in _behaviours[answer.exercise]:
        if failed:
            verdict.lines.append(Line("skip", title))
            continue
        answer.recording = None
        wrong = await _one(answer, function, guard, forgotten)
        verdict.lines.append(Line("FAIL" if wrong else "ok", title, wrong))
        if wrong is not None:
            failed, verdict.recording = True, answer.recording
    if not failed and (wrong := _common(answer, guard, forgotten)) is not None:
        verdict.lines.append(Line("FAIL", "nothing forgotten, nothing blocked", wrong))


async def _one(answer: Answer, function: Check, guard: Guard, forgotten: list[str]) -> Wrong | None:
    try:
        await function(answer)
    except NoAnswer as exc:
        return _common(answer, guard, forgotten) or exc
    except Wrong as exc:
        return exc
    except (Starved, asyncio.CancelledError):
        return _common(answer, guard, forgotten) or NoAnswer(
            f"{answer.exercise} ended: your code was ended from outside."
        )
    except Exception as exc:  # raised by the learner's function, through `call`
        return _common(answer, guard, forgotten) or Wrong(
            f"{answer.exercise} exception: your code raised {type(exc).__name__}: {exc}{advice(str(exc))}",
            saw=f"{type(exc).__name__}: {exc}",
        )
    return None


def _common(answer: Answer, guard: Guard, forgotten: list[str]) -> Wrong | None:
    """The mistakes that any exercise may meet, where they were seen."""
    gc.collect(1)  # the warning comes when the coroutine is collected; what is old is not of this check
    number, place = answer.exercise, f" ({guard.place})" if guard.place else ""
    if guard.starved:
        return Wrong(
            f"{number} starved loop: your code ran {guard.starved_s:.1f} s without ever letting another task "
            f"run{place}. "
            "Is it a loop that catches an exception and tries again at once? Leave it on ConnectionClosed. Is it a "
            "time.sleep or a long computation? Use await asyncio.sleep(...) or asyncio.to_thread(...)."
        )
    if forgotten:
        return Wrong(f"{number} never awaited: RuntimeWarning from your code: {forgotten[0]}. Put await before it.")
    if guard.blocked_s > BLOCKED_S:
        return Wrong(
            f"{number} blocked loop: the event loop stood still for {guard.blocked_s * 1000:.0f} ms inside your "
            f"code{place}. "
            "Use await asyncio.sleep(...) or asyncio.to_thread(...)."
        )
    return None


@contextlib.contextmanager
def _never_awaited() -> Iterator[list[str]]:
    """Collect the warnings about coroutines that nobody awaited."""
    forgotten: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, RuntimeWarning) and "never awaited" in str(message):
                forgotten.append(str(message).splitlines()[0])

        warnings.showwarning = show
        yield forgotten
        gc.collect(1)
