"""Charts as pictures: what was measured in this run.

Rules of this file: every series has its name beside it, and a form of its own where lines cross; axes begin at 0
unless all values lie far from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import say, say_many
from .measures import bins, bounds, median, number, p99, steps
from .observed import spread_labels
from .strokes import heading
from .theme import CLIENT, INK, RELAY, REST, SERVER, STORE, WIDTH_IN, escape, measure, within

if TYPE_CHECKING:
    from .plot import Axis, Plot

TOP, MARGIN, NAMES = 0.72, 0.2, 2.2  # inches; the widest column of names
NAME, WORD = 9.5, 8.5  # points
INKS = (CLIENT, SERVER, STORE, RELAY, INK, REST)
MARKS = "osD^vP"
DASHES: tuple[tuple[float, ...], ...] = ((), (7, 3), (2, 2), (9, 3, 2, 3), (4, 2), (12, 4))
TINT = "#a9cfe6"
FEW = 8  # values of an axis that have a tick each
DOTS = 400  # dots of a series that are drawn; of more, so many spread evenly over the ranks


def bars(values: Mapping[str, float], title: str, unit: str) -> bytes:
    """Draw a bar for each value, its number at its end."""
    step = 0.36
    sheet, names = _sheet(title, unit, list(values), TOP + step * len(values) + 0.12)
    words = {name: number(value) for name, value in values.items()}
    left = names + 0.12
    room = WIDTH_IN - MARGIN - left - max(measure(word, "bold", NAME) for word in words.values()) - 0.1
    most = max(values.values()) or 1.0
    for index, (name, value) in enumerate(values.items()):
        y = TOP + step * (index + 0.5)
        long = room * value / most
        _name(sheet, name, names, y)
        if long:
            sheet.box(left, y - 0.11, max(long, 0.02), 0.22, edge=CLIENT, fill=TINT, weight=1.2)
        sheet.text(left + long + 0.08, y, words[name], face="bold", size=NAME)
    sheet.line([(left, TOP), (left, TOP + step * len(values))], color=REST, weight=1.0)
    return sheet.png()


def spread(series: Mapping[str, Sequence[float]], title: str, unit: str) -> bytes:
    """Draw a strip of dots for each series of sorted values, with median and p99."""
    from .plot import Axis

    step, high = 0.74, TOP + 0.74 * len(series)
    many = max(map(len, series.values())) > DOTS
    facts = say("{number} dots of many values, evenly by rank", number=DOTS) if many else say("a dot for each value")
    sheet, names = _sheet(title, facts, list(series), high + 0.46)
    low, most = bounds([value for values in series.values() for value in values])
    axis = Axis(low, most, names + 0.16, WIDTH_IN - MARGIN)
    sheet.below(axis, TOP, high, unit)
    for index, (name, values) in enumerate(series.items()):
        y = TOP + step * (index + 0.5)
        _name(sheet, name, names, y - 0.07, _much(values))
        if values:
            _strip(sheet, axis, values, y)
    return sheet.png()


def histogram(series: Mapping[str, Sequence[float]], title: str, unit: str, width: float) -> bytes:
    """Draw a row of upright bars for each series of sorted values, all on one axis and one scale."""
    from .plot import Axis

    step = 1.05 if len(series) <= 4 else 0.72
    high = TOP + step * len(series)
    facts = say("each bar: how many values in {width} {unit}", width=number(width), unit=unit)
    sheet, names = _sheet(title, facts, list(series), high + 0.46)
    every = [value for values in series.values() for value in values] or [0.0]
    start, size = steps(min(every), max(every), width)
    counts = {name: bins(values, start, width, size) for name, values in series.items()}
    most = max(map(max, counts.values())) or 1
    end = max(start + size * width, start + 5 * width)
    axis = Axis(start, end, names + 0.16, WIDTH_IN - MARGIN)
    beyond = max(every) >= start + size * width * (1 + 1e-9)
    sheet.below(axis, TOP, high, unit + (f"   {say('the last bar: and more')}" if beyond else ""))
    for index, (name, heights) in enumerate(counts.items()):
        base = TOP + step * (index + 1)
        _name(sheet, name, names, base - step / 2, _much(series[name]))
        sheet.line([(axis.start, base), (axis.end, base)], color=REST, weight=1.0)
        for place, count in enumerate(heights):
            if count:
                left, right = axis.at(start + place * width), axis.at(start + (place + 1) * width)
                tall = (step - 0.3) * count / most
                sheet.box(left, base - tall, right - left, tall, edge=CLIENT, fill=TINT, weight=0.9)
        if top := max(heights):
            x = axis.at(start + (heights.index(top) + 0.5) * width)
            sheet.tag(x, base - (step - 0.3) * top / most - 0.09, number(top), axis, color=INK)
    return sheet.png()


def lines(series: Mapping[str, Sequence[tuple[float, float]]], title: str, x: str, y: str) -> bytes:
    """Draw a line for each series, with its name at its end."""
    from .plot import TICK, UPWARD, Axis

    high = 3.5
    sheet, _ = _sheet(title, y, [], high + 0.46)
    points = [point for values in series.values() for point in values] or [(0.0, 0.0)]
    low, most = bounds([value for _, value in points])
    upward = Axis(low, most, high, TOP + 0.08)
    left = MARGIN + max(measure(word, "sans", TICK) for _, word in upward.ticks(UPWARD)) + 0.1
    names = {
        name: within(name if values else f"{name}: {say('no values')}", 1.7, "bold", NAME)
        for name, values in series.items()
    }
    right = WIDTH_IN - MARGIN - max(measure(name, "bold", NAME) for name in names.values()) - 0.16
    firsts, lasts = min(place for place, _ in points), max(place for place, _ in points)
    pad = (lasts - firsts) * 0.02 or 0.5
    few = sorted({place for place, _ in points})
    across = Axis(firsts - pad, lasts + pad, left, right, few if len(few) <= FEW else ())
    sheet.below(across, TOP + 0.08, high, x)
    sheet.beside(upward, left, right)
    ends = []
    for index, (name, values) in enumerate(series.items()):
        ink, form, dashes = INKS[index % 6], MARKS[index % 6], DASHES[index % 6]
        drawn = [(across.at(place), upward.at(value)) for place, value in values]
        if len(drawn) > 1:
            sheet.line(drawn, color=ink, weight=1.7, dashes=dashes)
        if len(drawn) <= 60:
            sheet.marks(drawn, color=ink, form=form, size=5.5, hollow=False)
        ends.append((drawn[-1][1] if drawn else high, name, ink, drawn[-1][0] if drawn else right))
    ends.sort(key=lambda end: end[0])
    for (_, name, ink, from_x), place in zip(ends, spread_labels([e[0] for e in ends], TOP, high, 0.2), strict=True):
        wanted = next(end[0] for end in ends if end[1] == name)
        sheet.line(
            [(min(from_x + 0.05, right), wanted), (right + 0.06, place)], color=REST, weight=0.8, dashes=(1.5, 2)
        )
        sheet.text(right + 0.09, place, names[name], face="bold", size=NAME, color=ink)
    return sheet.png()


def table(rows: Sequence[Sequence[str]], columns: Sequence[str], title: str, right: Sequence[bool]) -> bytes:
    """Draw a table: columns as wide as their words, together as wide as the picture at most."""
    step = 0.28
    sheet, _ = _sheet(title, "", [], TOP - 0.26 + step * (len(rows) + 1) + 0.12)
    top = TOP - 0.26
    drawn = [columns, *rows]
    faces = ["bold" if not index else "sans" for index in range(len(drawn))]
    room = WIDTH_IN - 2 * MARGIN
    wide = [
        max(
            measure(within(row[index], room, face, WORD + 0.5), face, WORD + 0.5)
            for row, face in zip(drawn, faces, strict=True)
        )
        + 0.3
        for index in range(len(columns))
    ]
    if sum(wide) > room:  # the widest columns give way
        limit = room / len(wide)
        while True:
            rest = room - sum(w for w in wide if w <= limit)
            better = rest / max(sum(w > limit for w in wide), 1)
            if better <= limit + 1e-6:
                break
            limit = better
        wide = [min(w, limit) for w in wide]
    for index, (row, face) in enumerate(zip(drawn, faces, strict=True)):
        y = top + step * (index + 0.5)
        if index % 2:
            sheet.box(MARGIN - 0.06, y - step / 2, sum(wide) + 0.06, step, edge="none", fill="#e9ecf1", weight=0)
        x = MARGIN
        for cell, column, numbers in zip(row, wide, right, strict=True):
            words = within(cell, column - 0.2, face, WORD + 0.5)
            at = x + column - 0.2 if numbers else x
            sheet.text(at, y, words, face=face, size=WORD + 0.5, across="right" if numbers else "left")
            x += column
    sheet.line([(MARGIN - 0.06, top + step), (MARGIN + sum(wide), top + step)], color=INK, weight=1.2)
    return sheet.png()


def _sheet(title: str, facts: str, names: Sequence[str], height: float) -> tuple[Plot, float]:
    """An empty sheet with its heading, and where the column of names ends."""
    from .plot import Plot

    sheet = Plot(height)
    heading(sheet, title, escape(facts))
    wide = max((min(measure(escape(name[:100]), "bold", NAME), NAMES) for name in names), default=0.0)
    return sheet, MARGIN + max(wide, 0.8 if names else 0.0)


def _name(sheet: Plot, name: str, end: float, y: float, facts: str = "") -> None:
    sheet.text(end, y, within(name, NAMES, "bold", NAME), face="bold", size=NAME, across="right")
    if facts:
        sheet.text(end, y + 0.17, facts, size=8, color=REST, across="right")


def _much(values: Sequence[float]) -> str:
    return say_many("{count} value", "{count} values", len(values)) if values else say("no values")


def _strip(sheet: Plot, axis: Axis, values: Sequence[float], y: float) -> None:
    """Dots in a band around `y`, the median as a bar through it, p99 as a dashed one."""
    some = values
    if len(values) > DOTS:
        some = [values[round(index * (len(values) - 1) / (DOTS - 1))] for index in range(DOTS)]
    golden = 0.6180339887  # multiples of it fill the band evenly, the same in every picture
    sheet.marks(
        [(axis.at(value), y + 0.26 * ((index * golden) % 1 - 0.5)) for index, value in enumerate(some)],
        color=CLIENT,
        size=3.2,
    )
    middle, most = median(values), p99(values)
    sheet.line([(axis.at(middle), y - 0.19), (axis.at(middle), y + 0.19)], color=INK, weight=2.6)
    sheet.line([(axis.at(most), y - 0.19), (axis.at(most), y + 0.19)], color=SERVER, weight=1.8, dashes=(3, 2))
    sheet.tag(axis.at(middle), y - 0.26, say("median {value}", value=number(middle)), axis, color=INK)
    sheet.tag(axis.at(most), y + 0.27, say("p99 {value}", value=number(most)), axis, color=SERVER)
