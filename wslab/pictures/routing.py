"""A network in, places out: the rows of its boxes, and of each line the rows and tracks it takes between two columns.

Shared by text and picture, which only differ in how large a row and a letter are. Every line has a row of its own at
both ends and turns in a track of its own, so lines may cross and never run along each other. A line over several
columns passes through an invisible box in each.

Rules of this file: pure functions; rows count from 0 downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .network import Network

TRIES = 6  # rows by which a column is moved at most, until lines do not run along each other


@dataclass(slots=True)
class Cell:
    """A box in its column, or the place where line `link` passes (`box` is `None`)."""

    column: int
    box: int | None
    link: int = 0
    lines: int = 1
    top: int = 0
    high: int = 3
    ins: list[int] = field(default_factory=list)
    outs: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Stretch:
    """One line between two neighbouring columns: from row `start`, by `track` if it bends, to row `end`."""

    link: int
    source: Cell
    target: Cell
    facts: Sequence[str] = ()
    start: int = 0
    end: int = 0
    track: int | None = None

    @property
    def arrives(self) -> bool:
        """Does the line end here?"""
        return self.target.box is not None

    @property
    def begins(self) -> bool:
        """Does the line begin here?"""
        return self.source.box is not None


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies between two columns. `left`: the words stand beside the column on the left."""

    stretches: Sequence[Stretch]
    left: bool
    tracks: int


@dataclass(frozen=True, slots=True)
class Routing:
    """Where everything of a map stands."""

    columns: Sequence[Sequence[Cell]]
    gaps: Sequence[Gap]
    rows: int


def route(found: Network) -> Routing:
    """Return where the boxes and the lines of `found` stand."""
    columns: list[list[Cell]] = [[] for _ in range(max(found.columns, default=-1) + 1)]
    cells = []
    for index, (box, column) in enumerate(zip(found.boxes, found.columns, strict=True)):
        cells.append(Cell(column, index, lines=2 if found.listed(box) else 1))
        columns[column].append(cells[-1])
    stretches: list[list[Stretch]] = [[] for _ in columns[1:]]
    for number, link in enumerate(found.links):
        way = [cells[link.left]]
        for column in range(found.columns[link.left] + 1, found.columns[link.right]):
            way.append(Cell(column, None, number))
            columns[column].append(way[-1])
        way.append(cells[link.right])
        for index, (one, other) in enumerate(pairwise(way)):
            stretches[one.column].append(Stretch(number, one, other, () if index else found.facts(link)))
    left = [len({id(s.source) for s in gap}) >= len({id(s.target) for s in gap}) for gap in stretches]
    _grow(columns, stretches, left)
    gaps = []
    for column, placed in enumerate(columns):
        _stack(placed, max(map(_overhang, stretches[max(column - 1, 0) : column + 1]), default=1))
        if column:
            gaps.append(Gap(stretches[column - 1], left[column - 1], _place(placed, stretches[column - 1])))
    highest = min((cell.top for placed in columns for cell in placed), default=0)
    for cell in (cell for placed in columns for cell in placed):
        cell.top -= highest
    for stretch in (stretch for gap in gaps for stretch in gap.stretches):
        stretch.start -= highest
        stretch.end -= highest
    ends = [cell.top + cell.high for placed in columns for cell in placed]
    ends += [
        (stretch.start if gap.left else stretch.end) + len(stretch.facts) for gap in gaps for stretch in gap.stretches
    ]
    return Routing(columns, gaps, max(ends, default=0))


def _overhang(stretches: Sequence[Stretch]) -> int:
    """How many rows lie at least between two boxes, for the words that reach below the upper one."""
    return max([1, *(len(stretch.facts) - 1 for stretch in stretches)])


def _grow(columns: Sequence[Sequence[Cell]], stretches: Sequence[Sequence[Stretch]], left: Sequence[bool]) -> None:
    """Give every box so many rows that each of its lines has one, with the words beside it where they stand."""
    order = {id(cell): index for placed in columns for index, cell in enumerate(placed)}
    for placed in columns:
        for cell in placed:
            sides = []
            for gap, words in zip(stretches, left, strict=True):
                outs = sorted((s for s in gap if s.source is cell), key=lambda s: order[id(s.target)])
                ins = sorted((s for s in gap if s.target is cell), key=lambda s: order[id(s.source)])
                for ports, rows, worded in ((outs, cell.outs, words), (ins, cell.ins, not words)):
                    if ports:
                        apart = max(3, *(len(s.facts) + 2 for s in gap)) if worded else 1
                        rows.extend(apart * index for index in range(len(ports)))
                        sides.append(rows)
            extent = max([cell.lines, *(rows[-1] + 1 for rows in sides)])
            for rows in sides:
                shift = (extent - rows[-1] - 1) // 2
                rows[:] = [row + shift + 1 for row in rows]
            cell.high = extent + 2
    for gap in stretches:
        for stretch in gap:
            outs = sorted((s for s in gap if s.source is stretch.source), key=lambda s: order[id(s.target)])
            ins = sorted((s for s in gap if s.target is stretch.target), key=lambda s: order[id(s.source)])
            stretch.start = stretch.source.outs[_index(outs, stretch)]
            stretch.end = stretch.target.ins[_index(ins, stretch)]


def _index(stretches: Sequence[Stretch], wanted: Stretch) -> int:
    return next(index for index, stretch in enumerate(stretches) if stretch is wanted)


def _stack(placed: Sequence[Cell], between: int) -> None:
    top = 0
    for cell in placed:
        cell.top = top
        top += cell.high + between


def _place(placed: Sequence[Cell], stretches: Sequence[Stretch]) -> int:
    """Move a column to where its lines are short, give each line its track, and return how many there are."""
    starts = [stretch.source.top + stretch.start for stretch in stretches]
    ends = [stretch.target.top + stretch.end for stretch in stretches]
    middle = round((sum(starts) - sum(ends)) / len(stretches)) if stretches else 0
    tracks: list[int | None] | None = None
    shift = 0
    while tracks is None:
        rows = [(start, end + middle + shift) for start, end in zip(starts, ends, strict=True)]
        tracks = _tracks(rows)
        if tracks is None:
            shift += 1
            if shift > TRIES:
                tracks = list(range(len(rows)))
    for cell in placed:
        cell.top += middle + shift
    for stretch, (start, end), track in zip(stretches, rows, tracks, strict=True):
        stretch.start, stretch.end, stretch.track = start, end, track
    return max((track + 1 for track in tracks if track is not None), default=0)


def _tracks(rows: Sequence[tuple[int, int]]) -> list[int | None] | None:
    """The track in which each line turns; `None` in it for a straight one, and instead of it where there is no way.

    A line that comes in on the row on which another one goes out turns first.
    """
    tracks: list[int | None] = [None] * len(rows)
    bent = [i for i, (start, end) in enumerate(rows) if start != end]
    bent.sort(key=lambda i: rows[i][0] if rows[i][1] < rows[i][0] else -rows[i][0])
    taken: list[list[tuple[int, int]]] = []
    while bent:
        ready = [i for i in bent if not any(rows[j][0] == rows[i][1] for j in bent if j != i)]
        if not ready:
            return None
        i = ready[0]
        bent.remove(i)
        low, high = min(rows[i]), max(rows[i])
        least = 1 + max((tracks[j] or 0 for j, row in enumerate(rows) if row[0] == rows[i][1] and j != i), default=-1)
        track = next(
            (t for t in range(least, len(taken)) if all(high < a or low > b for a, b in taken[t])),
            max(len(taken), least),
        )
        while len(taken) <= track:
            taken.append([])
        taken[track].append((low, high))
        tracks[i] = track
    return tracks
