"""One text for every run: the canonical order of a trace.

Order is real along one connection and from cause to effect; what could have happened in any order is drawn by name.
The rule sorts by (step, depth, kind, lane, tap, number), where depth counts the longest chain of causes that leads to an
event within its step. It never compares clock times, except to check a guessed cause (`_openers`).

Rules of this file: pure functions; an order is a list of rows and nothing is dropped but keepalive and second TCP ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .trace import BESIDE, DATA, ENDING, OPENING, Cause, Event, Kind, Trace


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


def _key(depth: int, event: Event) -> tuple[int, int, int, str, str, int]:
    return (event.step, depth, _rank(event), _lane(event), event.tap, event.number)


def _rank(event: Event) -> int:
    """Client's input first, then what the handler did beside the wire, then what it sent, then the rest."""
    if event.up and event.kind not in BESIDE:
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
    for start in range(len(events)):  # iterative: a chain may be thousands of events long
        stack = [start]
        while stack:
            i = stack[-1]
            waiting = [p for p in before[i] if p not in depths]
            if waiting and i not in depths:
                stack.extend(waiting)
                continue
            stack.pop()
            if i not in depths:
                depths[i] = 1 + max((depths[p] for p in before[i]), default=-1)
    return [depths[i] for i in range(len(events))]


def _predecessors(events: list[Event]) -> list[set[int]]:
    """For each event the earlier ones of its step that must stand above it."""
    before: list[set[int]] = [set() for _ in events]
    last: dict[tuple[str, str], int] = {}
    turns: dict[tuple[str, int], list[int]] = {}
    for i, event in enumerate(events):
        if event.cause is not None:
            turns.setdefault((event.cause.connection, event.cause.message), []).append(i)
    origins = _origins(events)
    for i, event in enumerate(events):
        line = (event.connection, event.tap)
        if event.kind not in BESIDE:
            previous = last.get(line)
            if previous is not None:
                before[i].add(previous)
            last[line] = i
        cause = event.cause
        if cause is not None:
            before[i].update(origins.get((cause.connection, cause.message), ()))
            for other in turns[cause.connection, cause.message]:
                # A broadcast writes to a set: its frames have no order among themselves.
                earlier = (events[other].cause or cause).turn < cause.turn
                if earlier and (event.kind in BESIDE or events[other].kind in BESIDE):
                    before[i].add(other)
        before[i] = {p for p in before[i] if events[p].step == event.step}
        if not before[i] and not event.up and event.kind in DATA:
            before[i] = _openers(events, event)
    return before


def _origins(events: list[Event]) -> dict[tuple[str, int], set[int]]:
    """Where each cause is seen: the client's message, the 101 that started a handler, the end of a connection."""
    origins: dict[tuple[str, int], set[int]] = {}
    ends: dict[str, int] = {}
    for i, event in enumerate(events):
        if event.up and event.kind in DATA and event.ordinal is not None:
            origins.setdefault((event.connection, event.ordinal), set()).add(i)
        elif event.kind is Kind.RESPONSE:
            origins[event.connection, OPENING] = {i}
        elif event.kind is Kind.END or (event.kind is Kind.CLOSE and event.up):
            ends[event.connection] = i
    origins.update({(connection, ENDING): {i} for connection, i in ends.items()})
    return origins


def _openers(events: list[Event], push: Event) -> set[int]:
    """For a push with no known cause to a lane that was silent in its step: the input that opened the step."""
    first: set[str] = set()
    openers: set[int] = set()
    for i, event in enumerate(events):
        if event.step != push.step or event.connection in first or event.kind in BESIDE:
            continue
        first.add(event.connection)
        if event.up and event.at < push.at and (event.kind in DATA or event.kind is Kind.END):
            openers.add(i)
    return openers
