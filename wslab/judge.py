"""A check is a client: behaviours that talk to a learner's code over a real socket and judge the recording.

A behaviour is `async def name(answer)`, registered with `@behaviour("2.2", "what it looks at")`. It runs on the
judge's own loop and talks to the learner's code, which lies on the `Bench` of this or another process, through
`Answer`. It returns when it is content and raises `Wrong` when it is not.

Rules of this file: whatever the learner's code does, `judge` returns a verdict.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from .answer import Answer, Case
from .bench import Bench
from .driver import Driver
from .errors import say
from .feedback import NoAnswer, Wrong, advice
from .order import Row
from .peer import Gone, join
from .recording import Recording
from .values import Described, Raised

__all__ = [
    "Answer",
    "Described",
    "Driver",
    "NoAnswer",
    "Raised",
    "Wrong",
    "behaviour",
    "forget",
    "judge",
    "judge_case",
    "titles",
]

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
        _behaviours.setdefault(exercise, []).append((title, function))
        return function

    return register


def forget(lesson: str) -> None:
    """Take back the behaviours of a lesson, before they are read again."""
    for exercise in [exercise for exercise in _behaviours if exercise.startswith(f"{lesson}.")]:
        del _behaviours[exercise]


def titles(exercise: str) -> list[str]:
    """What the behaviours of `exercise` look at, in the order in which they run."""
    return [title for title, _ in _behaviours[exercise]]


def judge(exercise: str, bench: Bench, limit_s: float) -> Verdict:
    """Run the behaviours of `exercise` on what lies on `bench`, in this process; blocks, and returns the verdict."""
    verdict = Verdict(exercise)

    async def conversation() -> None:
        case = Case(exercise)
        join(bench.peer, case.peer)
        await judge_case(case, verdict, limit_s)

    bench.run(conversation)
    verdict.stuck = bench.guard.lost
    return verdict


async def judge_case(case: Case, verdict: Verdict, limit_s: float) -> None:
    """Run the behaviours on the answer at the other end of `case.peer`; `verdict` gets a line for each.

    Raises:
        Gone: If the other end leaves before there is a verdict.
    """
    answer = Answer(case)
    failed = False
    deadline = time.monotonic() + limit_s
    for title, function in _behaviours[case.exercise]:
        if failed:
            verdict.lines.append(Line("skip", title))
            continue
        case.recording = None
        wrong = await _one(answer, function, deadline - time.monotonic())
        await case.settle()
        verdict.lines.append(Line("FAIL" if wrong else "ok", title, wrong))
        if wrong is not None:
            failed, verdict.recording = True, case.recording
    if not failed and (wrong := await _common(answer)) is not None:
        verdict.lines.append(Line("FAIL", say("nothing forgotten, nothing blocked"), wrong))


async def _one(answer: Answer, function: Check, limit_s: float) -> Wrong | None:
    try:
        async with asyncio.timeout(limit_s) as limit:
            await function(answer)
    except NoAnswer as exc:
        return await _common(answer) or exc
    except Wrong as exc:
        return exc
    except Gone:
        raise
    except Raised as exc:
        if exc.isa("Starved", "CancelledError"):
            return await _common(answer) or NoAnswer(
                say("{exercise} ended: your code was ended from outside.", exercise=answer.exercise)
            )
        error = f"{exc.type}: {exc.text}"
        return await _common(answer) or Wrong(
            say(
                "{exercise} exception: your code raised {error}{advice}",
                exercise=answer.exercise,
                error=error,
                advice=advice(error),
            ),
            saw=error,
        )
    except Exception as exc:  # whatever the learner's code gave, which the behaviour did not foresee
        if limit.expired():
            return await _common(answer) or NoAnswer(
                say("{exercise} time-out: your code took too long for this check.", exercise=answer.exercise)
            )
        return await _common(answer) or Wrong(
            say(
                "{exercise} result: the check could make nothing of what your code gave ({error}).",
                exercise=answer.exercise,
                error=f"{type(exc).__name__}: {exc}",
            )
        )
    return None


async def _common(answer: Answer) -> Wrong | None:
    """The mistakes that any exercise may meet, where they were seen."""
    seen = await answer.mistakes()
    number, place = answer.exercise, f" ({seen['place']})" if seen["place"] else ""
    if seen["starved"]:
        return Wrong(
            say(
                "{exercise} starved loop: your code ran {seconds:.1f} s without ever letting another task run{place}. "
                "Is it a loop that catches an exception and tries again at once? Leave it on ConnectionClosed. Is it a "
                "time.sleep or a long computation? Use await asyncio.sleep(...) or asyncio.to_thread(...).",
                exercise=number,
                seconds=seen["starved_s"],
                place=place,
            )
        )
    if seen["forgotten"]:
        return Wrong(
            say(
                "{exercise} never awaited: RuntimeWarning from your code: {warning}. Put await before it.",
                exercise=number,
                warning=seen["forgotten"][0],
            )
        )
    if seen["blocked_s"] > BLOCKED_S:
        return Wrong(
            say(
                "{exercise} blocked loop: the event loop stood still for {milliseconds:.0f} ms inside your "
                "code{place}. Use await asyncio.sleep(...) or asyncio.to_thread(...).",
                exercise=number,
                milliseconds=seen["blocked_s"] * 1000,
                place=place,
            )
        )
    return None
