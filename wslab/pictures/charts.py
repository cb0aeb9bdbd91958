"""Measured values as pictures: bars, spreads, histograms, lines and tables.

Numbers in, a picture with text and sentences out. A text is the same in every run, so it holds values only where they
are `exact`; what was measured stands in the PNG and in `narrate()`. A title states the finding.

Rules of this file: no drawing; matplotlib comes with `charts_png`, which comes with the first chart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import LabError, later, say, say_many
from . import measures
from .measures import number
from .shown import Picture
from .theme import escape, fit, keep_direction, width

SERIES, CURVES, POINTS = 8, 6, 12  # series of a chart, lines of a chart, points of a line that are told
NAME, CELL, BAR = 32, 28, 40  # columns
MEASURED = later("measured values: in the picture")


def bars(values: Mapping[str, float], *, title: str, unit: str = "", exact: bool = False) -> Picture:
    """One bar for each of `values`; `exact`: they are the same in every run, so the text holds them too."""
    from . import charts_png

    found = {name: value for name, (value,) in measures.counted({k: [v] for k, v in values.items()}, 24).items()}
    if below := next((name for name, value in found.items() if value < 0), None):
        raise LabError(say("{name}: a bar cannot be shorter than 0", name=below))
    lines = _names(found)
    if exact:
        most = max(found.values()) or 1
        words = [number(value) for value in found.values()]
        digits = max(map(len, words))
        lines = [
            f"{_padded(line, lines)}  {word:>{digits}}  {'█' * round(BAR * value / most)}".rstrip()
            for line, word, value in zip(lines, words, found.values(), strict=True)
        ]
    what = say("bars, in {unit}", unit=escape(unit)) if unit else say("bars")
    told = [f"{escape(name)}: {number(value)} {escape(unit)}".rstrip() for name, value in found.items()]
    return _picture(charts_png.bars(found, title, unit), title, what, lines, told, exact)


def spread(series: Mapping[str, Iterable[float]], *, title: str, unit: str = "ms") -> Picture:
    """A dot for each value of each series, on one axis, with median and p99 (99 of 100 values do not exceed it)."""
    from . import charts_png

    found = {name: sorted(values) for name, values in measures.counted(series, SERIES).items()}
    what = say("a dot for each value, with median and p99, in {unit}", unit=escape(unit))
    told = [f"{escape(name)}: {summary(values, unit)}" for name, values in found.items()]
    return _picture(charts_png.spread(found, title, unit), title, what, _names(found), told)


def histogram(series: Mapping[str, Iterable[float]], *, title: str, unit: str = "s", width: float = 0.1) -> Picture:
    """How many values of each series lie in each step of `width`: one series above the other, on one axis."""
    from . import charts_png

    if not width > 0:
        raise LabError(say("the width of a step is more than 0, not {width}", width=width))
    found = {name: sorted(values) for name, values in measures.counted(series, SERIES).items()}
    what = say("how many values in each step of {width} {unit}", width=number(width), unit=escape(unit))
    told = [f"{escape(name)}: {_crowd(values, width, unit)}" for name, values in found.items()]
    return _picture(charts_png.histogram(found, title, unit, width), title, what, _names(found), told)


def lines(
    series: Mapping[str, Iterable[tuple[float, float]]], *, title: str, x: str, y: str, exact: bool = False
) -> Picture:
    """One line for each series of points; `x` and `y` say what the axes measure, and in which unit."""
    from . import charts_png

    given = {name: list(points) for name, points in series.items()}
    across = measures.counted({name: [point[0] for point in points] for name, points in given.items()}, CURVES)
    upward = measures.counted({name: [point[1] for point in points] for name, points in given.items()}, CURVES)
    found = {name: sorted(zip(across[name], upward[name], strict=True)) for name in across}
    what = say("{y} for {x}", x=escape(x), y=escape(y))
    told = [f"{escape(name)}: {_points(points)}" for name, points in found.items()]
    shown = [keep_direction(line) for line in told] if exact else _names(found)
    return _picture(charts_png.lines(found, title, x, y), title, what, shown, told, exact)


def table(rows: Sequence[Sequence[object]], columns: Sequence[str], *, title: str, exact: bool = True) -> Picture:
    """A table; the first cell of a row is its name. Not `exact`: the text holds names only."""
    from . import charts_png

    if bad := next((row for row in rows if len(row) != len(columns)), None):
        raise LabError(
            say(
                "a row has as many cells as there are columns, {number}: {row}",
                number=len(columns),
                row=repr(list(bad)),
            )
        )
    head = [escape(str(column)) for column in columns]
    cells = [[_cell(cell) for cell in row] for row in rows]
    shown = cells if exact else [[row[0], *("" for _ in row[1:])] for row in cells if row]
    drawn = [[fit(cell, CELL) for cell in row] for row in [head, *shown]]
    wide = [max(width(row[index]) for row in drawn) for index in range(len(head))]
    right = [numeric(rows, index) for index in range(len(head))]
    lines = ["  ".join(map(_set, row, wide, right)) for row in drawn]
    rule = "─" * (sum(wide) + 2 * max(len(wide) - 1, 0))
    lines = [lines[0].rstrip(), rule, *(line.rstrip() for line in lines[1:])]
    told = [
        f"{row[0]}: " + ", ".join(f"{name} {cell}".strip() for name, cell in zip(head[1:], row[1:], strict=True))
        for row in cells
        if row
    ]
    return _picture(charts_png.table(cells, head, title, right), title, "", lines, told, exact)


def summary(values: Sequence[float], unit: str) -> str:
    """Return ``120 values, median 12.3 ms, p99 45 ms, largest 51 ms``; `values` are sorted."""
    if not values:
        return say("no values")
    words = [number(value) for value in (measures.median(values), measures.p99(values), values[-1])]
    return say_many(
        "{count} value, median {median} {unit}, p99 {p99} {unit}, largest {largest} {unit}",
        "{count} values, median {median} {unit}, p99 {p99} {unit}, largest {largest} {unit}",
        len(values),
        median=words[0],
        p99=words[1],
        largest=words[2],
        unit=escape(unit),
    )


def numeric(rows: Sequence[Sequence[object]], column: int) -> bool:
    """Does this column of a table hold numbers, so that they stand one under the other?"""
    cells = [row[column] for row in rows]
    return bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)


def _crowd(values: Sequence[float], step: float, unit: str) -> str:
    """Where most values of a histogram lie."""
    if not values:
        return say("no values")
    start, size = measures.steps(values[0], values[-1], step)
    counts = measures.bins(values, start, step, size)
    top = counts.index(max(counts))
    return say_many(
        "{count} value from {low} to {high} {unit}, at most {most} in one step: from {start} to {end} {unit}",
        "{count} values from {low} to {high} {unit}, at most {most} in one step: from {start} to {end} {unit}",
        len(values),
        low=number(values[0]),
        high=number(values[-1]),
        most=counts[top],
        start=number(start + top * step),
        end=number(values[-1]) if top == size - 1 else number(start + (top + 1) * step),
        unit=escape(unit),
    )


def _points(points: Sequence[tuple[float, float]]) -> str:
    """The points of a line; of many the first, the highest and the last."""
    if not points:
        return say("no values")
    told = list(points)
    if len(told) > POINTS:
        told = sorted({points[0], max(points, key=lambda point: point[1]), points[-1]})
    return ", ".join(say("{y} at {x}", x=number(x), y=number(y)) for x, y in told)


def _picture(
    png: bytes, title: str, what: str, lines: Sequence[str], told: Sequence[str], exact: bool = False
) -> Picture:
    head = [escape(title), *([what] if what else [])]
    text = [*head, *(f"  {line}".rstrip() for line in lines), *([] if exact else [say(MEASURED)])]
    return Picture(png, "\n".join(text), "\n".join([f"{line}." for line in [*head, *told]]))


def _names(series: Iterable[str]) -> list[str]:
    return [keep_direction(fit(escape(name), NAME)) for name in series]


def _padded(line: str, lines: Sequence[str]) -> str:
    return line + " " * (max(map(width, lines)) - width(line))


def _cell(cell: object) -> str:
    plain = isinstance(cell, int | float) and not isinstance(cell, bool)
    return number(cell) if plain else escape(str(cell))  # type: ignore[arg-type]


def _set(cell: str, columns: int, right: bool) -> str:
    room = " " * (columns - width(cell))
    return room + cell if right else keep_direction(cell) + room
