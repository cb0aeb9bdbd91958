"""Rows in canonical order in; which TCP connection each belongs to, and when a server was at work on a message, out.

A handler is at work on a message from the moment at which it took it from `recv()` until the last frame that it sent
for it. So a handler that works in turn (one interval after another) is told from one that does not (they overlap).

Rules of this file: pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..order import Row
from ..trace import BESIDE, DATA, Event, Kind

ANSWERING = DATA | {Kind.BODY}  # a handler may send many of these for one message

Line = tuple[str, str, int]  # a connection at one tap: its name, the tap's, how many of that name came before


@dataclass(frozen=True, slots=True)
class Work:
    """The time in which a server works on one message: below arrow `after`, until arrow `until`.

    `slot` is 0, or more where other work on the same lane goes on at the same time. `lasted` is measured, in seconds.
    """

    lane: int
    connection: Line
    message: int
    after: int
    until: int
    slot: int
    lasted: float

    def covers(self, number: int) -> bool:
        """Does it go on at arrow `number`?"""
        return self.after < number <= self.until


def line_of(event: Event) -> Line | None:
    """The TCP connection that `event` belongs to; `None` beside the wire."""
    return None if event.kind in BESIDE else (event.connection, event.tap, event.life)


def answered(event: Event) -> tuple[Line, int] | None:
    """The message of its own connection for which a frame was sent; `None` if there is none."""
    line, cause = line_of(event), event.cause
    if event.up or line is None or cause is None or cause.message < 0:
        return None
    return (line, cause.message) if (cause.connection, cause.life) == (event.connection, event.life) else None


def tell_works(rows: list[Row], places: dict[str, int], takes: dict[tuple[str, int, int], int]) -> list[Work]:
    """Return the intervals in which servers worked on messages; `places` are the indexes of the servers' lanes."""
    asked: dict[tuple[Line, int], Row] = {}
    answers: dict[tuple[Line, int], Row] = {}
    sent: dict[Line, list[Row]] = {}
    for row in rows:
        event = row.event
        line, message = line_of(event), answered(event)
        if line is None or event.ordinal is None or event.far not in places:
            continue
        if event.up:
            asked[line, event.ordinal] = row
            continue
        sent.setdefault(line, []).append(row)
        if message in asked and message is not None and (event.kind in ANSWERING or message not in answers):
            answers[message] = row
    works: list[Work] = []
    busy: dict[tuple[int, int], int] = {}
    for (line, number), answer in sorted(answers.items(), key=lambda item: asked[item[0]].number):
        taken = takes.get((line[0], line[2], number))
        if taken is None:
            continue
        # A handler that works in turn takes the next message only after the frames that it had sent by then.
        after = [row for row in sent[line] if row.number < answer.number and (row.event.ordinal or 0) < taken]
        start = max([asked[line, number], *after], key=lambda row: row.number)
        lane = places[answer.event.source]
        slot = next(s for s in range(len(rows)) if busy.get((lane, s), 0) <= start.number)
        busy[lane, slot] = answer.number
        lasted = max(0.0, answer.event.at - max(row.event.at for row in [asked[line, number], *after]))
        works.append(Work(lane, line, number, start.number, answer.number, slot, lasted))
    return works
