"""Trace in, facts of its sequence diagram out: lanes, arrows, pushes, processing intervals, counts.

Text, picture and narration are all made from one `Scene`, so they cannot disagree.

Rules of this file: pure functions, nothing drawn; every fact but `began` and `lasted` is the same in every run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ..hops import Line, forwarded
from ..order import Row, canonical
from ..trace import BESIDE, DATA, SUBJECTS, Event, Kind, Trace
from .labels import Label, is_plain, label
from .work import Work, answered, line_of, tell_works

PUSHED = frozenset({Kind.TEXT, Kind.BINARY})  # a message begins with one of these
ROLES = ("client", "balancer", "server", "backplane", "database", "log")


@dataclass(frozen=True, slots=True)
class Lane:
    """A vertical line. A client may call itself as a server is called: `role` tells them apart."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """One row: its event, its ends as indexes of lanes, and what is known of it from the other rows.

    `again`: the same is drawn on the hop before the balancer, too, and counts there.
    """

    number: int
    event: Event
    free: bool
    source: int
    target: int
    label: Label
    push: bool = False
    asked: bool = False
    answers: int | None = None
    again: bool = False

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
    requests: int = 0
    body_bytes: int = 0

    def place(self, name: str) -> int:
        """The index of the lane called `name`, of the server rather than of a client of that name."""
        return max(index for index, lane in enumerate(self.lanes) if lane.name == name)

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
    stations = _Stations(rows)
    lanes = _lanes(rows, stations, imagined)
    places = {lane: index for index, lane in enumerate(lanes)}
    servers = {lane.name: index for index, lane in enumerate(lanes) if lane.role == "server"}
    arrows = tuple(_arrows(rows, stations, places))
    first = [arrow.event for arrow in arrows if not arrow.again and arrow.event.tap not in stations.backplanes]
    data = [event for event in first if event.kind in DATA]
    times = [row.event.at for row in rows]
    return Scene(
        lanes=lanes,
        arrows=arrows,
        works=tuple(tell_works(rows, servers, trace.takes)),
        connections=len({line_of(event) for event in first} - {None}),
        messages=sum(event.fin for event in data),
        payload_bytes=sum(event.length for event in data),
        began=min(times, default=0.0),
        lasted=max(times, default=0.0) - min(times, default=0.0),
        requests=sum(is_plain(row.event) and row.event.up for row in rows),
        body_bytes=sum(row.event.length for row in rows if is_plain(row.event) or row.event.kind is Kind.BODY),
    )


class _Stations:
    """Which lanes are balancers and backplanes: by what is seen around them, not by their names."""

    def __init__(self, rows: list[Row]) -> None:
        events = [row.event for row in rows]
        self.balancers = {event.near for event in events if event.relayed}
        self.backplanes = {event.tap for event in events if event.kind in SUBJECTS}
        seen = {Line(event.connection, event.life, event.tap) for event in events}
        self._fronts = forwarded(events) & seen

    def ends(self, event: Event) -> tuple[Lane, Lane]:
        """The lanes between which `event` is drawn, from source to target."""
        if event.kind in BESIDE:
            return Lane(event.source, "server"), Lane(event.target, "database" if event.kind is Kind.SQL else "log")
        if event.tap in self.backplanes:
            near, far = "server", "backplane"
        else:
            near = "balancer" if event.relayed else "client"
            far = "balancer" if event.far in self.balancers else "server"
        ends = Lane(event.near, near), Lane(event.far, far)
        return ends if event.up else (ends[1], ends[0])

    def again(self, event: Event) -> bool:
        """Is what crosses this hop seen on the hop before, too?"""
        return event.relayed and Line(event.connection, event.life, event.near) in self._fronts


def _lanes(rows: list[Row], stations: _Stations, imagined: Sequence[tuple[str, str, str]]) -> tuple[Lane, ...]:
    """In the order of `ROLES`, and of name."""
    found = {lane for row in rows for lane in stations.ends(row.event)}
    names = {lane.name for lane in found}
    for name in (name for source, target, _ in imagined for name in (source, target)):
        if name not in names:
            names.add(name)
            found.add(Lane(name, "server"))
    return tuple(sorted(found, key=lambda lane: (ROLES.index(lane.role), lane.name)))


def _arrows(rows: list[Row], stations: _Stations, places: dict[Lane, int]) -> Iterable[Arrow]:
    messages: dict[tuple[object, int], int] = {}
    closes: dict[object, set[bool]] = {}
    switched: set[object] = set()
    asked: set[object] = set()
    for row in rows:
        event, line = row.event, line_of(row.event)
        answers = None
        if event.kind is Kind.RESPONSE and event.code == 101:
            switched.add(line)
        elif event.kind is Kind.CLOSE:
            closes.setdefault(line, set()).add(event.up)
        elif event.kind in DATA and event.up and event.ordinal is not None:
            messages[line, event.ordinal] = row.number
            asked.add(line)
        elif event.kind in DATA and (message := answered(event)) is not None:
            answers = messages.get(message)
        source, target = stations.ends(event)
        yield Arrow(
            number=row.number,
            event=event,
            free=row.free,
            source=places[source],
            target=places[target],
            label=_ending(event, line in switched, closes.get(line, set())) if event.kind is Kind.END else label(event),
            push=event.kind in PUSHED and not event.up and answered(event) is None,
            asked=line in asked,
            answers=answers,
            again=stations.again(event),
        )


def _ending(event: Event, switched: bool, closes: set[bool]) -> Label:
    """How TCP ended, in the light of the close frames before it (RFC 6455 7.1.1 and 7.1.5)."""
    if event.note == "cut":
        return Label("connection cut")
    if len(closes) == 2 or not switched:
        return Label("TCP end")
    return Label("TCP end, close not answered" if closes else "TCP end, no close frame")
