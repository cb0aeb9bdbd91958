"""The trials of the capstone: `run_all(names, folder, seed)` plays them, one outcome each.

In: the folder with the learner's `auction.py`, and a seed for all that is not fixed by the contract. Out: one of the
five verdicts for each trial, its line of feedback, and the recording that it was judged by.

Rules of this file: the learner's code runs in other processes only; whatever it does there, each trial has an outcome
within its limit, and no process outlives the run.
"""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from wslab.engines.binaries import ENGINES, find
from wslab.errors import LabError
from wslab.feedback import Wrong
from wslab.grading.verdict import Outcome as Verdict
from wslab.recording import Recording, record

from .judge import (  # they register their trials
    milestone_1,
    milestone_2,
    milestone_3,
    milestone_4,
    milestone_4_alone,
    milestone_4_order,
    milestone_5,
)
from .judge.house import House
from .judge.processes import NotServing, Refused
from .judge.trial import TRIALS as REGISTERED
from .judge.trial import Scene, Trial

__all__ = ["MODULE", "REFERENCE", "STARTER", "TRIALS", "Outcome", "Trial", "milestone", "result", "run", "run_all"]

HERE = Path(__file__).parent
STARTER, REFERENCE, MODULE = HERE / "starter", HERE / "reference", "auction.py"
TRIALS = dict(sorted(REGISTERED.items(), key=lambda item: int(item[0][1:])))
LOOK_S = 0.2
SHARE = 0.8  # of the trials that are not marked, for distinction


@dataclass
class Outcome:
    """What came of one trial. `arrow` is the arrow of `recording` to look at; `note` what a server's own log told."""

    name: str
    verdict: Verdict
    line: str = ""
    recording: Recording | None = None
    arrow: int | None = None
    note: str = ""
    seconds: float = 0.0

    @property
    def passed(self):
        return self.verdict is Verdict.PASSED


def milestone(number):
    """The names of the trials of a milestone, 1 to 5."""
    return [name for name, trial in TRIALS.items() if trial.milestone == number]


def result(outcomes):
    """ "distinction", "passed" or "not passed": what the outcomes of all trials amount to."""
    passed = {outcome.name for outcome in outcomes if outcome.passed}
    if not passed.issuperset(name for name, trial in TRIALS.items() if trial.core):
        return "not passed"
    rest = [name for name, trial in TRIALS.items() if not trial.marked]
    marked = passed.issuperset(name for name, trial in TRIALS.items() if trial.marked)
    return "distinction" if marked and len(passed.intersection(rest)) >= SHARE * len(rest) else "passed"


async def run(name, folder, seed):
    """Play one trial in a house of its own."""
    async with aclosing(run_all([name], folder, seed)) as outcomes:
        return await anext(outcomes)


async def run_all(names, folder, seed):
    """Play these trials, and yield their outcomes; they share houses where they can.

    Raises:
        LabError: If an engine is missing.
    """
    for engine in ENGINES:
        find(engine)
    sitting = Sitting(Path(folder), seed)
    try:
        for name in names:
            yield await sitting.play(TRIALS[name])
    finally:
        await sitting.close()


class Sitting:
    """A learner's module, and the house that the next trial may use."""

    def __init__(self, folder, seed):
        self.folder, self.seed = folder, seed
        self.house = self.scene = None

    async def play(self, trial):
        """Play one trial, as often as it wants; the first round that does not pass decides."""
        began, self.scene = time.monotonic(), None
        try:
            async with asyncio.timeout(trial.limit_s):
                for round in range(trial.rounds):
                    outcome = await self._round(trial, self.seed + round)
                    if not outcome.passed:
                        break
        except TimeoutError:
            outcome = Outcome(trial.name, Verdict.TIMED_OUT, f"{trial.name}: timed out after {trial.limit_s:g} s.")
            outcome.recording = self.scene.own_recording() if self.scene is not None else None
        if trial.alone or not outcome.passed:
            await self.close()
        outcome.seconds = time.monotonic() - began
        return outcome

    async def close(self):
        """End the house."""
        if self.house is not None:
            house, self.house = self.house, None
            await asyncio.shield(house.close())

    async def _round(self, trial, seed):
        try:
            await self._ready(trial)
        except NotServing as exc:
            return Outcome(trial.name, exc.verdict, f"{trial.name}: {exc.verdict}: {exc}")
        except LabError as exc:
            return Outcome(trial.name, Verdict.NOT_RUNNABLE, f"{trial.name}: not runnable: {exc}")
        self.scene = scene = Scene(self.house, trial.name, seed)
        outcome = Outcome(trial.name, Verdict.PASSED)
        if isinstance(self.house, House):
            with record(self.house, title=f"{trial.name}: {trial.title}") as scene.recording:
                await self._judge(trial, scene, outcome)
        else:
            await self._judge(trial, scene, outcome)
        return outcome

    async def _ready(self, trial):
        if trial.alone:
            await self.close()
        if self.house is not None:
            try:
                return await self.house.mend()
            except (Wrong, Refused, NotServing, TimeoutError):  # what is left of it is of no use any more
                await self.close()
        self.house = trial.place(self.folder)
        await self.house.open()

    async def _judge(self, trial, scene, outcome):
        wrong = None
        try:
            await trial.play(scene)
        except Wrong as exc:
            wrong = exc
        except NotServing as exc:
            outcome.verdict, outcome.line = exc.verdict, f"{trial.name}: {exc.verdict}: {exc}"
        except Exception as exc:  # whatever the learner's code sent, which the trial did not foresee
            wrong = Wrong(f"nothing could be made of what your code sent ({type(exc).__name__}: {exc}).")
        finally:
            await scene.end()
            outcome.recording = scene.own_recording()
        if outcome.passed:
            await self._decide(scene, outcome, wrong)

    async def _decide(self, scene, outcome, wrong):
        processes = scene.house.processes()
        if wrong is not None:
            await asyncio.sleep(LOOK_S)  # a process that ends closes its connections first
        if crashed := [process for process in processes if process.ended_by_itself()]:
            names = ", ".join(process.name for process in crashed)
            outcome.verdict, outcome.note = Verdict.CRASHED, crashed[0].last_words()
            outcome.line = f"{outcome.name}: crashed: {names} ended, and nobody had ended it."
        elif wrong is not None:
            still = [process for process in processes if process.running and await process.stands_still()]
            outcome.verdict = Verdict.TIMED_OUT if still else Verdict.FAILED
            outcome.line = wrong.line if wrong.line.startswith(f"{outcome.name}:") else f"{outcome.name}: {wrong.line}"
            if still:
                names = ", ".join(process.name for process in still)
                text = f"timed out: {names} stands still: something there runs without ever awaiting"
                outcome.line = f"{outcome.name}: {text}."
            complaints = [f"{process.name}: {text}" for process in processes for text in process.complaints]
            outcome.note = "; ".join(dict.fromkeys(complaints[:3]))
            if wrong.where is not None and outcome.recording is not None:
                rows = outcome.recording.rows
                outcome.arrow = next((row.number for row in rows if wrong.where(row.event)), None)
