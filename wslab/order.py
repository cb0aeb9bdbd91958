"""One text for every run: the canonical order of a trace.

Order is real along one connection and from cause to effect; what could have happened in any order is drawn by name.
The rule sorts by (step, depth, kind, lane, tap, number), where depth counts the longest chain of causes that leads to
an event within its step. It never compares clock times, except to check a guessed cause (`_openers`).

Not known is what a client's program had received before it sent: its connections are the library's own, and what
`gather` or a task received does not flow back to who awaits it. A lesson settles between such messages.

Rules of this file: pure functions; an order is a list of rows and nothing is dropped but keepalive and second TCP ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from .hops import Line, forwarded, hops
from .trace import ASKING, BESIDE, DATA, ENDING, OPENING, SUBJECTS, Event, Kind, Trace

Handler = tuple[str, int]  # the connection and its life

ASKED = DATA | {Kind.REQUEST}  # what a handler takes, where it is counted
SENT = DATA | {Kind.RESPONSE, Kind.BODY}  # what a handler may send long after it was asked


@dataclass(frozen=True, slots=True)
class Row:
    """One event at its canonical place; `free` if it could have changed places with the row before."""

    number: int
    event: Event
    free: bool = False
    depth: int = 0


def canonical(trace: Trace, *, show_pings: bool = False) -> list[Row]:
    """Return the rows of `trace`, numbered from 1. Keepalive pings are left out unless `show_pings`."""
    events = [event for event in trace if show_pings or not event.keepalive]
    depths = _depths(events)
    placed = sorted(zip(depths, events, strict=True), key=lambda item: _key(*item))
    rows: list[Row] = []
    for number, (depth, event) in enumerate(placed, 1):
        free = bool(rows) and _peers(rows[-1], depth, event)
        rows.append(Row(number, event, free, depth))
    return rows


def _key(depth: int, event: Event) -> tuple[int, int, int, str, str, int, int, int]:
    message, turn = (event.cause.message, event.cause.turn) if event.cause is not None and not event.tap else (0, 0)
    return (event.step, depth, _rank(event), _lane(event), event.tap, event.number, message, turn)


def _rank(event: Event) -> int:
    """Client's input first, then what the handler did beside the wire, then what it sent, then the rest."""
    if event.up and event.kind not in BESIDE | SUBJECTS:
        return 0
    return 1 if event.kind in BESIDE else 3 if event.kind is Kind.END else 2


def _lane(event: Event) -> str:
    return event.connection or event.source


def _peers(row: Row, depth: int, event: Event) -> bool:
    before = row.event
    same = (before.step, row.depth, _rank(before)) == (event.step, depth, _rank(event))
    return same and _lane(before) != _lane(event)


def _depths(events: list[Event]) -> list[int]:
    before = _predecessors(events)
    depths: dict[int, int] = {}
    entered: set[int] = set()
    for start in range(len(events)):  # iterative: a chain may be thousands of events long
        stack = [start]
        while stack:
            i = stack[-1]
            # A trace that was taken has no circle; one in a damaged file is cut where it closes.
            waiting = [p for p in before[i] if p not in entered] if i not in entered else []
            entered.add(i)
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if i not in depths:
                depths[i] = 1 + max((depths[p] for p in before[i] if p in depths), default=-1)
    return [depths[i] for i in range(len(events))]


def _predecessors(events: list[Event]) -> list[set[int]]:
    """For each event those of its step that must stand above it."""
    before: list[set[int]] = [set() for _ in events]
    for line in _lines(events):
        for one, next_one in pairwise(line):
            before[next_one].add(one)
    for one, next_one in hops(events):
        before[next_one].add(one)
    origins = _origins(events)
    for handler, messages in _turns(events).items():
        done: set[int] = set()  # what the handler itself did last, for the messages before
        for message, turn in messages:
            done = _program_order(events, turn, origins.get((handler, message), set()), done, before)
            if message == ASKING:
                for answer in origins.get((handler, OPENING), set()):
                    before[answer].update(turn)
    for i, event in enumerate(events):
        before[i] = {p for p in before[i] if events[p].step == event.step}
        if not before[i] and not event.up and event.kind in SENT:
            before[i] = _openers(events, event)
    return before


def _lines(events: list[Event]) -> list[list[int]]:
    """The events of each connection's name at each tap, as the tap saw them, one connection after the other."""
    lines: dict[tuple[str, str], list[int]] = {}
    for i, event in enumerate(events):
        if event.kind not in BESIDE:
            lines.setdefault((event.connection, event.tap), []).append(i)
    for line in lines.values():
        line.sort(key=lambda i: (events[i].life, events[i].number))
    return list(lines.values())


def _turns(events: list[Event]) -> dict[Handler, list[tuple[int, list[int]]]]:
    """What was done for each message of each handler, messages and deeds in the order in which they came."""
    turns: dict[Handler, dict[int, list[tuple[int, int]]]] = {}
    for i, event in enumerate(events):
        if (cause := event.cause) is not None:
            handler = turns.setdefault((cause.connection, cause.life), {})
            handler.setdefault(cause.message, []).append((cause.turn, i))
    rank = {ASKING: -2, OPENING: -1, ENDING: len(events)}
    return {
        handler: [
            (message, [i for _, i in sorted(deeds)])
            for message, deeds in sorted(messages.items(), key=lambda item: rank.get(item[0], item[0]))
        ]
        for handler, messages in turns.items()
    }


def _program_order(
    events: list[Event], turn: list[int], origin: set[int], done: set[int], before: list[set[int]]
) -> set[int]:
    """Order what was done for one message; returns what the handler itself did last.

    A broadcast writes to a set: frames have no order among themselves, only with what was done beside the wire.
    """
    beside, frames, own = set(done), set[int](), set[int]()
    for i in turn:
        cause = events[i].cause
        before[i] |= origin | beside
        if events[i].kind in BESIDE:
            before[i] |= frames
            beside, frames = {i}, set()
        else:
            frames.add(i)
        if cause is not None and cause.own:
            own = {i} if events[i].kind in BESIDE else own | {i}
    return own or done


def _origins(events: list[Event]) -> dict[tuple[Handler, int], set[int]]:
    """Where each cause is seen: a message, the 101 that started a handler, the end of a connection.

    What a balancer passed on is a cause where it reached the server.
    """
    origins: dict[tuple[Handler, int], set[int]] = {}
    ends: dict[Handler, int] = {}
    passed = forwarded(events)
    for i, event in enumerate(events):
        handler = (event.connection, event.life)
        if Line(*handler, event.tap) in passed:
            continue
        message = event.kind is Kind.DELIVER or (event.up and event.kind in ASKED)
        if message and event.ordinal is not None:
            origins.setdefault((handler, event.ordinal), set()).add(i)
        if event.kind is Kind.REQUEST:
            origins[handler, ASKING] = {i}
        elif event.kind is Kind.RESPONSE:
            origins[handler, OPENING] = {i}
        elif event.kind is Kind.END or (event.kind is Kind.CLOSE and event.up):
            ends[handler] = i
    return origins | {(handler, ENDING): {i} for handler, i in ends.items()}


def _openers(events: list[Event], push: Event) -> set[int]:
    """For a push with no known cause to a lane that was silent in its step: the input that opened the step."""
    first: set[str] = set()
    openers: set[int] = set()
    for i, event in enumerate(events):
        if event.step != push.step or event.connection in first or event.kind in BESIDE:
            continue
        first.add(event.connection)
        asked = event.kind in DATA or (event.kind is Kind.REQUEST and event.ordinal is not None)
        if event.up and event.at < push.at and (asked or event.kind is Kind.END):
            openers.add(i)
    return openers
