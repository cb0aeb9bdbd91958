"""The judge: an answer in, a fresh recording made from real servers, a verdict out.

Rules of this file: whatever the answer is, there is a verdict; and it never says what would have been right.
"""

import asyncio
import concurrent.futures
import time
from dataclasses import dataclass

from websockets import WebSocketException

from wslab.errors import LabError
from wslab.grading.rebuild import Unreadable, read
from wslab.recording import Recording

from . import attempts, paper
from .catalogue import ENOUGH, GROUPS, QUESTIONS, of_group
from .model import Unable, evidence_for

LIMIT_S = 25.0


@dataclass(frozen=True)
class Verdict:
    """What became of one question: "right", "wrong", "open", "unreadable" or "unable"."""

    number: int
    status: str
    line: str = ""
    arrow: int | None = None
    recording: Recording | None = None
    seed: str = ""
    answer: object = None
    seconds: float = 0.0

    @property
    def title(self):
        return QUESTIONS[self.number].title

    @property
    def group(self):
        return QUESTIONS[self.number].group

    @property
    def lesson(self):
        return QUESTIONS[self.number].lesson

    @property
    def misses(self):
        return attempts.of(self.number).misses

    def __repr__(self):
        if self.status == "right":
            return f"question {self.number}: right"
        lines = [self.line]
        if self.status == "wrong":
            lines.append(f"Run the cell with question({self.number}) again: it has new values.")
            if self.misses > 1:
                lines.append(f"Before that, read {QUESTIONS[self.number].section}.")
        return "\n\n".join(lines)

    def _repr_markdown_(self):
        return repr(self)


@dataclass(frozen=True)
class Result:
    """All verdicts together."""

    right: int
    count: int
    groups: dict

    @property
    def passed(self):
        return self.right >= ENOUGH and all(right for right, _ in self.groups.values())

    @property
    def line(self):
        said = f"{self.right} of {self.count} questions right, {ENOUGH} needed"
        empty = [str(group) for group, (right, _) in self.groups.items() if not right]
        return f"{said}; none right about diagram {', '.join(empty)}" if empty else said


def run(coroutine):
    """Run a coroutine on a thread and loop of its own, and return what it returns."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asyncio.wait_for(coroutine, LIMIT_S)).result()


def collect(question, drawn):
    """Make the recording of a question.

    Raises:
        Unable: If that cannot be done here and now.
    """
    try:
        return run(evidence_for(question, drawn))
    except (LabError, WebSocketException, OSError) as exc:  # a time-out is an OSError
        raise Unable(str(exc) or "it took too long: close what keeps this machine busy") from None


def verdict_of(number, answer):
    """Judge `answer`; a miss ends the try."""
    question, attempt = QUESTIONS[number], attempts.of(number)
    seed = attempts.seed(number)
    began = time.perf_counter()

    def verdict(status, line="", **more):
        return Verdict(number, status, line, seed=seed, answer=answer, seconds=time.perf_counter() - began, **more)

    if _is_open(answer):
        return verdict("open", f"question {number}: not answered yet. Write your values in the place of ...")
    if attempt.over:
        return verdict("wrong", attempt.line)
    drawn = question.drawn(seed)
    if problem := _misfit(question, drawn, answer):
        return verdict("unreadable", f"question {number}: {problem}")
    try:
        evidence = collect(question, drawn)
    except Unable as exc:
        return verdict("unable", f"question {number} could not be run, and this try does not count: {exc}")
    wrong = question.right(drawn, answer, question.key(drawn, evidence))
    if not wrong:
        attempts.keep(number, "")
        return verdict("right")
    said = next(pick(answer) for name, pick, _ in question.cells(drawn) if name == wrong[0])
    why = question.why(wrong[0], said, drawn, evidence)
    arrow = evidence.row(why.where)
    look = f" Look at arrow {arrow} of the recording." if arrow else ""
    line = f"question {number}, {wrong[0]}: {why.line}.{look}"
    evidence.recording.mark(arrow)
    attempts.keep(number, line)
    return verdict("wrong", line, arrow=arrow, recording=evidence.recording)


def _is_open(answer):
    if isinstance(answer, dict):
        return any(map(_is_open, answer.values()))
    if isinstance(answer, list | tuple | set):
        return any(map(_is_open, answer))
    return answer is ...


def _misfit(question, drawn, answer):
    """Why `answer` has not the shape that is asked for, or an empty text."""
    forms = question.forms(drawn)
    if not isinstance(answer, dict) or set(answer) != set(forms):
        return f"the answer is a dictionary with {', '.join(map(repr, forms))}"
    for part, form in forms.items():
        if not isinstance(form, dict):
            if not form.fits(answer[part]):
                return f"{part} asks for {form.asks}"
            continue
        said = answer[part]
        if not isinstance(said, list | tuple) or len(said) != len(form):
            return f"{part} asks for a list of {len(form)}: {', '.join(form)}"
        for (column, cell), value in zip(form.items(), said, strict=True):
            if not cell.fits(value):
                return f"{part}, {column} asks for {cell.asks}"
    return ""


def judge_notebook(path, *, only=None):
    """Judge the answers in the notebook at `path`, one after the other; yields the verdicts.

    Args:
        path: The learner's notebook. Nothing in it is run.
        only: The numbers of the questions to judge; all without it.
    """
    try:
        notebook, problem = read(path), ""
    except Unreadable as exc:
        notebook, problem = {"cells": []}, str(exc)
    for number in QUESTIONS:
        if only is not None and number not in only:
            continue
        try:
            if problem:
                raise paper.NoLiteral(problem)
            yield verdict_of(number, paper.value(notebook, number))
        except paper.NoLiteral as exc:
            yield Verdict(number, "unreadable", f"question {number}: {exc}", seed=attempts.seed(number))


def summary(verdicts):
    """Count the right ones, in all and for each diagram."""
    right = {verdict.number for verdict in verdicts if verdict.status == "right"}
    groups = {group: (len(right.intersection(of_group(group))), len(of_group(group))) for group in GROUPS}
    return Result(len(right), len(QUESTIONS), groups)
