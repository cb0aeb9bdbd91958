"""Trace in, facts of its sequence diagram out: lanes, arrows, pushes, processing intervals, counts.

Text, picture and narration are all made from one `Scene`, so they cannot disagree.

Rules of this file: pure functions, nothing drawn; every fact but `began` and `lasted` is the same in every run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from .labels import Label, label
from .order import Row, canonical
from .trace import BESIDE, DATA, Event, Kind, Trace

LIMIT = 60  # arrows that a diagram shows; of more, the middle is left out
FIRST, LAST, AROUND = 35, 20, 2


@dataclass(frozen=True, slots=True)
class Lane:
    """A vertical line. `role` is "client", "server", or "beside" for a database or a log."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """One row: its event, its ends as indexes of lanes, and what is known of it from the rows above."""

    number: int
    event: Event
    free: bool
    source: int
    target: int
    label: Label
    push: bool = False
    asked: bool = False
    answers: int | None = None

    @property
    def left(self) -> int:
        """The leftmost lane that it touches."""
        return min(self.source, self.target)

    @property
    def right(self) -> int:
        """The rightmost lane that it touches."""
        return max(self.source, self.target)

    @property
    def cut(self) -> bool:
        """Was the connection torn, rather than ended by one of its sides?"""
        return self.event.kind is Kind.END and self.event.note == "cut"


@dataclass(frozen=True, slots=True)
class Work:
    """The time in which a server works on one message: below arrow `after`, until arrow `until`.

    `slot` is 0, or more where other work on the same lane goes on at the same time. `lasted` is measured, in seconds.
    """

    lane: int
    connection: tuple[str, str, int]
    message: int
    after: int
    until: int
    slot: int
    lasted: float

    def covers(self, number: int) -> bool:
        """Does it go on at arrow `number`?"""
        return self.after < number <= self.until


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a sequence diagram states."""

    lanes: tuple[Lane, ...]
    arrows: tuple[Arrow, ...]
    works: tuple[Work, ...]
    connections: int
    messages: int
    payload_bytes: int
    began: float
    lasted: float

    def working(self, lane: int, number: int) -> list[Work]:
        """What the server on `lane` works on at arrow `number`."""
        return [work for work in self.works if work.lane == lane and work.covers(number)]

    def slots(self, lane: int) -> int:
        """How many pieces of work `lane` has at the same time, at most."""
        return max((work.slot + 1 for work in self.works if work.lane == lane), default=0)


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is laid over a recording: the first wrong arrow, and a prediction.

    Args:
        marked: Number of the first wrong arrow.
        foreseen: Numbers of the arrows that were predicted.
        unforeseen: Numbers of the arrows that a prediction lacks.
        imagined: Source, target and label of arrows that were predicted and did not come.
    """

    marked: int | None = None
    foreseen: Collection[int] = ()
    unforeseen: Collection[int] = ()
    imagined: Sequence[tuple[str, str, str]] = ()


NOTHING = Overlay()


def scene(trace: Trace, *, show_pings: bool = False, imagined: Sequence[tuple[str, str, str]] = ()) -> Scene:
    """Return what the diagram of `trace` states; `imagined` may need lanes that the trace lacks."""
    rows = canonical(trace, show_pings=show_pings)
    lanes = _lanes(rows, imagined)
    places = {lane.name: index for index, lane in enumerate(lanes)}
    lives = _lives(rows)
    arrows = tuple(_arrows(rows, lives, places))
    data = [row.event for row in rows if row.event.kind in DATA]
    times = [row.event.at for row in rows]
    return Scene(
        lanes=lanes,
        arrows=arrows,
        works=tuple(_works(rows, lives, places, trace.takes)),
        connections=len({life for life in lives if life is not None}),
        messages=sum(event.fin for event in data),
        payload_bytes=sum(event.length for event in data),
        began=min(times, default=0.0),
        lasted=max(times, default=0.0) - min(times, default=0.0),
    )


def shown(scene: Scene, overlay: Overlay) -> list[Arrow | int]:
    """The arrows that are drawn; a number stands for so many that are left out between two of them."""
    last = len(scene.arrows)
    marks = [overlay.marked, *overlay.foreseen, *overlay.unforeseen] if last > LIMIT else []
    near = {n + d for n in marks[:3] if n is not None for d in range(-AROUND, AROUND + 1)}
    result: list[Arrow | int] = []
    hidden = 0
    for arrow in scene.arrows:
        if last <= LIMIT or arrow.number <= FIRST or arrow.number > last - LAST or arrow.number in near:
            if hidden:
                result.append(hidden)
            hidden = 0
            result.append(arrow)
        else:
            hidden += 1
    return result


def spread(needs: Iterable[tuple[int, int, int]], gaps: int, *, least: int, total: int) -> list[int]:
    """Share columns out to the `gaps` between lanes, at least `least` each, if possible at most `total` together.

    `needs` are (left lane, right lane, columns between them).
    """
    columns = [least] * gaps
    for left, right, need in sorted(needs, key=lambda item: item[1] - item[0]):
        lacking = need - sum(columns[left:right]) - (right - left - 1)
        for step in range(max(lacking, 0)):
            columns[left + step % (right - left)] += 1
    while sum(columns) > total and max(columns, default=0) > least:
        columns[columns.index(max(columns))] -= 1
    return columns


def _lanes(rows: list[Row], imagined: Sequence[tuple[str, str, str]]) -> tuple[Lane, ...]:
    """Clients in order of name, then servers, then databases, then logs."""
    ranks: dict[str, int] = {}
    for event in (row.event for row in rows):
        beside = event.kind in BESIDE
        ranks[event.source] = max(ranks.get(event.source, 0), 1 if beside or not event.up else 0)
        target = 2 if event.kind is Kind.SQL else 3 if beside else 1 if event.up else 0
        ranks[event.target] = max(ranks.get(event.target, 0), target)
    for source, target, _ in imagined:
        ranks.setdefault(source, 0)
        ranks.setdefault(target, 1)
    roles = ("client", "server", "beside", "beside")
    return tuple(Lane(name, roles[rank]) for name, rank in sorted(ranks.items(), key=lambda item: (item[1], item[0])))


def _lives(rows: list[Row]) -> list[tuple[str, str, int] | None]:
    """For each row its connection (`None` beside the wire): a name is used again once its connection has ended."""
    lives: list[tuple[str, str, int] | None] = []
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


def _arrows(
    rows: list[Row], lives: list[tuple[str, str, int] | None], places: dict[str, int]
) -> Iterable[Arrow]:
    messages: dict[tuple[object, int], int] = {}
    closes: dict[object, set[bool]] = {}
    switched: set[object] = set()
    for row, life in zip(rows, lives, strict=True):
        event, cause = row.event, row.event.cause
        push, answers = False, None
        if event.kind is Kind.RESPONSE and event.code == 101:
            switched.add(life)
        elif event.kind is Kind.CLOSE:
            closes.setdefault(life, set()).add(event.up)
        elif event.kind in DATA and event.up and event.ordinal is not None:
            messages[life, event.ordinal] = row.number
        elif event.kind in DATA and not event.up:
            if cause is not None and cause.connection == event.connection:
                answers = messages.get((life, cause.message))
            push = answers is None and event.kind is not Kind.CONTINUATION
        yield Arrow(
            number=row.number,
            event=event,
            free=row.free,
            source=places[event.source],
            target=places[event.target],
            label=_ending(event, life in switched, closes.get(life, set())) if event.kind is Kind.END else label(event),
            push=push,
            asked=any(known == life for known, _ in messages),
            answers=answers,
        )


def _ending(event: Event, switched: bool, closes: set[bool]) -> Label:
    """How TCP ended, in the light of the close frames before it (RFC 6455 7.1.1 and 7.1.5)."""
    if event.note == "cut":
        return Label("connection cut")
    if len(closes) == 2 or not switched:
        return Label("TCP end")
    return Label("TCP end, close not answered" if closes else "TCP end, no close frame")


def _works(
    rows: list[Row],
    lives: list[tuple[str, str, int] | None],
    places: dict[str, int],
    takes: dict[tuple[str, int], int],
) -> list[Work]:
    asked: dict[tuple[object, int], Row] = {}
    answers: dict[tuple[tuple[str, str, int], int], Row] = {}
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
