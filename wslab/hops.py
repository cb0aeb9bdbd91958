"""Several taps, one story: which event at one tap is the cause of which at the next.

A frame that a balancer passes on is seen twice, a message on the backplane is seen when it is published and when it is
delivered. `hops` pairs them up by their places on their connections, never by time.

Rules of this file: pure functions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from .trace import FRAMES, SUBJECTS, Event, Kind

Slot = tuple[object, ...]


class Line(NamedTuple):
    """One connection at one tap."""

    connection: str
    life: int
    tap: str


def hops(events: list[Event]) -> Iterator[tuple[int, int]]:
    """Yield (cause, effect), as indexes: the same frame at the tap before, and what was published before delivered."""
    lines: dict[Line, list[int]] = {}
    for i, event in enumerate(events):
        if event.tap and event.kind not in SUBJECTS:
            lines.setdefault(Line(event.connection, event.life, event.tap), []).append(i)
    for back, line in lines.items():
        near = events[line[0]].near
        front = Line(back.connection, back.life, near)
        if events[line[0]].relayed and front in lines:
            yield from _passed_on(events, lines[front], line)
    yield from _delivered(events)


def forwarded(events: list[Event]) -> set[Line]:
    """The connections, each at one tap, that a balancer passed on to a tap behind it."""
    return {Line(event.connection, event.life, event.near) for event in events if event.relayed}


def without(events: Iterable[Event], lanes: Collection[str]) -> Iterator[Event]:
    """Yield what does not end at one of `lanes`; what a balancer among them passed on comes from its client itself."""
    for event in events:
        if event.far in lanes or (event.near in lanes and not event.relayed):
            continue
        if event.near in lanes:
            event = replace(event, source=event.connection) if event.up else replace(event, target=event.connection)
        yield event


def _passed_on(events: list[Event], front: list[int], back: list[int]) -> Iterator[tuple[int, int]]:
    before, behind = _slots(events, front), _slots(events, back)
    # A balancer that closes both sides itself (RFC 6455 7.1.1 from its own will) passes no close frame on.
    parted = not _first_close(events, front, True) and _first_close(events, back, True)
    for slot, i in before.items():
        j = behind.get(slot)
        if j is not None and not (parted and events[i].kind is Kind.CLOSE):
            yield (i, j) if events[i].up else (j, i)
    ends = [next((i for i in line if events[i].kind is Kind.END), None) for line in (front, back)]
    if None in ends:
        return
    i, j = (end for end in ends if end is not None)
    if events[i].up and events[j].up:
        yield i, j
    elif not events[i].up and (not events[j].up or events[j].note == "cut"):
        yield j, i


def _slots(events: list[Event], line: list[int]) -> dict[Slot, int]:
    """The place of each frame and handshake half in its direction, by which it is found again at another tap.

    A recording may begin while a frame is between two taps: places count from the last numbered message.
    """
    found: dict[Slot, int] = {}
    message: int | None = None
    since = 0
    for i in sorted(line, key=lambda i: events[i].number):
        event = events[i]
        slot: Slot = (event.kind, event.up)
        if event.kind in FRAMES and event.up:
            message, since = (event.ordinal, 0) if event.ordinal is not None else (message, since + 1)
            slot = (True, message, since)
        elif event.kind in FRAMES:
            slot = (False, event.ordinal)
        if event.kind is not Kind.END:
            found.setdefault(slot, i)
    return found


def _first_close(events: list[Event], line: list[int], up: bool) -> bool:
    """Is the first close frame of this line in direction `up`?"""
    closes = [events[i] for i in line if events[i].kind is Kind.CLOSE]
    return bool(closes) and min(closes, key=lambda event: event.number).up is up


def _delivered(events: list[Event]) -> Iterator[tuple[int, int]]:
    """Equal messages are paired from the last one back: who subscribed late did not get the first ones."""
    published: dict[Slot, list[int]] = {}
    deliveries: dict[Slot, list[int]] = {}
    for i, event in enumerate(events):
        what = event.step, event.tap, event.headline.partition(" ")[2], event.payload
        if event.kind is Kind.PUBLISH:
            published.setdefault(what, []).append(i)
        elif event.kind is Kind.DELIVER:
            deliveries.setdefault((*what, event.connection, event.life, event.note), []).append(i)
    for slot, line in deliveries.items():
        yield from zip(
            reversed(published.get(slot[:4], [])), sorted(line, key=lambda i: -events[i].number), strict=False
        )
