"""Rows in canonical order in; which TCP connection each belongs to, and when a server was at work on a message, out.

A handler is at work on a message from the moment at which it took it from `recv()` until the last frame that it sent
for it. So a handler that works in turn (one interval after another) is told from one that does not (they overlap).

Rules of this file: pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass

from .order import Row
from .trace import BESIDE, DATA

Life = tuple[str, str, int]  # name, tap, how many connections of that name and tap came before


@dataclass(frozen=True, slots=True)
class Work:
    """The time in which a server works on one message: below arrow `after`, until arrow `until`.

    `slot` is 0, or more where other work on the same lane goes on at the same time. `lasted` is measured, in seconds.
    """

    lane: int
    connection: Life
    message: int
    after: int
    until: int
    slot: int
    lasted: float

    def covers(self, number: int) -> bool:
        """Does it go on at arrow `number`?"""
        return self.after < number <= self.until


def tell_lives(rows: list[Row]) -> list[Life | None]:
    """For each row its connection (`None` beside the wire): a name is used again once its connection has ended."""
    lives: list[Life | None] = []
    last: dict[tuple[str, str], int] = {}
    life: dict[tuple[str, str], int] = {}
    for event in (row.event for row in rows):
        line = (event.connection, event.tap)
        if event.kind in BESIDE:
            lives.append(None)
            continue
        if event.number <= last.get(line, -1):
            life[line] = life.get(line, 0) + 1
        last[line] = event.number
        lives.append((*line, life.get(line, 0)))
    return lives


def tell_works(
    rows: list[Row],
    lives: list[Life | None],
    places: dict[str, int],
    takes: dict[tuple[str, int], int],
) -> list[Work]:
    asked: dict[tuple[object, int], Row] = {}
    answers: dict[tuple[Life, int], Row] = {}
    sent: dict[object, list[Row]] = {}
    for row, life in zip(rows, lives, strict=True):
        event, cause = row.event, row.event.cause
        if life is None or event.ordinal is None:
            continue
        if event.up:
            asked[life, event.ordinal] = row
            continue
        sent.setdefault(life, []).append(row)
        own = cause is not None and cause.connection == event.connection and (life, cause.message) in asked
        if own and cause is not None and (event.kind in DATA or (life, cause.message) not in answers):
            answers[life, cause.message] = row
    works: list[Work] = []
    busy: dict[tuple[int, int], int] = {}
    for (life, message), answer in sorted(answers.items(), key=lambda item: asked[item[0]].number):
        taken = takes.get((life[0], message))
        if taken is None:
            continue
        # A handler that works in turn takes the next message only after the frames that it had sent by then.
        after = [row for row in sent[life] if row.number < answer.number and (row.event.ordinal or 0) < taken]
        start = max([asked[life, message], *after], key=lambda row: row.number)
        lane = places[answer.event.source]
        slot = next(s for s in range(len(rows)) if busy.get((lane, s), 0) <= start.number)
        busy[lane, slot] = answer.number
        lasted = max(0.0, answer.event.at - max(row.event.at for row in [asked[life, message], *after]))
        works.append(Work(lane, life, message, start.number, answer.number, slot, lasted))
    return works
