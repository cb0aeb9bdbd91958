"""`grade(path, exercises)`: the verdict on each exercise of a saved notebook.

Rules of this file: the learner's file is only read; an exercise that takes the kernel with it costs no other one its
turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from .. import catalogue
from ..errors import say
from .desk import Expected
from .rebuild import Answers, Planned, answers, read, rebuild
from .run import Seen, Session, run
from .verdict import Grade, Outcome, decide, failure

STARTS = 2  # a kernel may find its ports taken, but not twice
PRISTINE = Path(__file__).parent.parent / "pristine" / "exercise"


async def grade(
    path: Path,
    wanted: Collection[str],
    progress: Callable[[str], None] = lambda cell: None,
    *,
    session: Session | None = None,
) -> list[Grade]:
    """Grade the exercises `wanted` of the notebook at `path`, in the order of the notebook.

    Args:
        path: The saved notebook.
        wanted: Exercises of that notebook.
        progress: Told each cell that begins.
        session: Where the notebook is run; in one of its own, cold, without.

    Raises:
        Unreadable: If the file is no notebook.
        OSError: If it cannot be read.
    """
    pristine = read(PRISTINE / path.name)
    found = answers(pristine, read(path))
    graded = {
        exercise: Grade(exercise, Outcome.FAILED, failure(exercise, _repair(problem, path)))
        for exercise, problem in found.problems.items()
    }
    index = catalogue.index()
    limits = {exercise: float(index[exercise]["limit_s"]) for exercise in wanted}
    for exercise in wanted:
        catalogue.load_behaviours(exercise)
    sources = dict(found.sources)

    async def attempt(open_: Sequence[str], sources: Mapping[str, str]) -> tuple[dict[str, Grade], str]:
        """Run what is open; returns the grades that were reached, and the exercise that ended the kernel."""
        expected = {exercise: Expected.fresh(exercise) for exercise in open_}
        reports = {exercise: expected[exercise].text for exercise in open_}
        notebook, plan = rebuild(pristine, sources, reports, limits)
        seen = await (session.run if session else run)(notebook, plan, expected, limits, progress)
        return _decide(open_, plan, seen), _guilty(plan, seen)

    starts = 0
    while open_ := [exercise for exercise in wanted if exercise not in graded]:
        decided, guilty = await attempt(open_, sources)
        if guilty in decided and any(found.sources[e] != found.stubs[e] for e in sources if e != guilty):
            alone, _ = await attempt([guilty], {guilty: sources[guilty]})  # it may have been another answer's doing
            decided |= alone
        sources.pop(guilty, None)
        graded |= decided
        if not decided and not guilty and (starts := starts + 1) == STARTS:
            text = say("not runnable: nbval did not run the notebook; 'wslab doctor' looks for the reason")
            graded |= {e: Grade(e, Outcome.NOT_RUNNABLE, failure(e, text)) for e in open_}
    return [_explained(graded[exercise], found) for exercise in wanted]


def _decide(open_: Sequence[str], plan: Sequence[Planned], seen: Seen) -> dict[str, Grade]:
    """The grades that a run allows; the others' turn did not come."""
    out: dict[str, Grade] = {}
    if any(ran.ended == "not started" for ran in seen.ran.values()):
        return out
    for exercise in open_:
        cells = [planned.cell for planned in plan if planned.exercise in ("", exercise)]
        cells = cells[: 1 + max(i for i, cell in enumerate(cells) if cell.startswith("check-"))]
        decided = decide(exercise, cells, seen.ran, seen.verdicts.get(exercise))
        if decided is not None:
            decided.left_behind, decided.ahead = seen.left_behind, seen.ahead
            out[exercise] = decided
    return out


def _guilty(plan: Sequence[Planned], seen: Seen) -> str:
    """The exercise whose cell ended the kernel."""
    exercises = {planned.cell: planned.exercise for planned in plan}
    return next((exercises[ran.cell] for ran in seen.ran.values() if ran.ended), "")


def _repair(problem: str, path: Path) -> str:
    lesson = int(path.name[:2])
    return f"{problem}; " + say("'wslab reset {lesson}' brings back the notebook as it was", lesson=lesson)


def _explained(grade: Grade, found: Answers) -> Grade:
    """Say so where a name is missing that the learner defined in another cell, of which nothing is kept."""
    grade.tried = found.sources.get(grade.exercise) != found.stubs[grade.exercise]
    for name in re.findall(r"name '(\w+)' is not defined", grade.text):
        if name in found.elsewhere:
            line = say("`{name}` is defined outside the answer cell: move it in", name=name)
            first, _, rest = grade.text.partition("\n")
            grade.text = f"{first}\n     {line}\n{rest}"
            break
    return grade
