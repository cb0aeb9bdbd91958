"""The true order of one run: every event at the moment at which its tap saw it, on a linear axis of time.

The canonical diagram is the same in every run and therefore draws by name what could have come in any order; this one
shows what came when, so it differs from run to run and exists as a picture only.

Rules of this file: arrows stand where they were measured; only labels move, so that they do not cover each other.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ..errors import say, say_many
from ..trace import Trace
from .labels import size
from .scene import Arrow, scene
from .strokes import HEADER, box_width, form, heading, lanes, sheet_of, stroke
from .theme import MONO_EM, REST, WIDTH_IN, drawable, milliseconds

MOST = 60  # labels; of more events the arrows are drawn and the first labels
LABEL_STEP, LETTER = 0.175, 7.6
TOP = HEADER + 0.5
LANES, WORDS = (0.95, 3.75), 4.2  # inches: first and last lane, the labels


def observed_png(trace: Trace, *, title: str = "") -> bytes:
    """Return the events of `trace` by their measured time, as an opaque PNG."""
    drawn = scene(trace)
    arrows = sorted(drawn.arrows, key=lambda arrow: arrow.event.at)
    labelled = arrows[:MOST]
    high = max(2.6, LABEL_STEP * len(labelled))
    sheet = sheet_of(TOP + high + 0.45)
    span = drawn.lasted or 1e-3
    facts = say_many(
        "{count} event in {time}, in the order of this run",
        "{count} events in {time}, in the order of this run",
        len(arrows),
        time=milliseconds(drawn.lasted),
    )
    heading(sheet, title, facts)
    for at, words in _ticks(span):
        y = TOP + at / span * high
        sheet.line([(0.62, y), (LANES[1] + 0.1, y)], color="#e6e8ec", weight=0.8)
        sheet.text(0.55, y, words, size=7, color=REST, across="right")
    sheet.text(0.55, HEADER + 0.15, "ms", size=7, color=REST, across="right")
    last = max(len(drawn.lanes) - 1, 1)
    first = max(LANES[0], 0.62 + box_width(drawn, 0) / 2) if drawn.lanes else 0.0
    places = [first + (LANES[1] - first) * index / last for index in range(len(drawn.lanes))]
    lanes(sheet, drawn, places, TOP + high + 0.1)
    heights = [TOP + (arrow.event.at - drawn.began) / span * high for arrow in arrows]
    for arrow, y in zip(arrows, heights, strict=True):
        stroke(sheet, arrow, places[arrow.source], places[arrow.target], y, thin=0.7)
    columns = int((WIDTH_IN - WORDS - 0.75) / (MONO_EM * LETTER / 72))
    for arrow, y, beside in zip(
        labelled, heights, spread_labels(heights[: len(labelled)], TOP, TOP + high), strict=False
    ):
        start = max(places[arrow.source], places[arrow.target])
        sheet.line([(start, y), (LANES[1] + 0.12, y), (WORDS - 0.07, beside)], color="#c9cdd4", weight=0.7)
        sheet.text(WORDS + 0.16, beside, str(arrow.number), face="bold", size=7.6, across="right")
        sheet.text(WORDS + 0.23, beside, _words(arrow, columns), face="mono", size=LETTER, color=form(arrow)[0])
        moment = milliseconds(arrow.event.at - drawn.began).removesuffix(" ms")
        sheet.text(WIDTH_IN - 0.1, beside, moment, size=7, color=REST, across="right")
    if len(arrows) > len(labelled):
        hidden = len(arrows) - len(labelled)
        rest = say_many("{count} more event without a label", "{count} more events without a label", hidden)
        sheet.text(WORDS, TOP + high + 0.2, rest, size=8, color=REST)
    sheet.text(0.16, TOP + high + 0.27, say("Measured at the tap in this run."), face="italic", size=8, color=REST)
    return sheet.png()


def spread_labels(wanted: list[float], top: float, bottom: float, step: float = LABEL_STEP) -> list[float]:
    """Return heights near the `wanted` ones (in ascending order), at least `step` apart, between `top` and `bottom`."""
    places: list[float] = []
    for y in wanted:
        places.append(max(y, places[-1] + step) if places else max(y, top))
    limit = bottom
    for index in reversed(range(len(places))):
        places[index] = min(places[index], limit)
        limit = places[index] - step
    return places


def _words(arrow: Arrow, columns: int) -> str:
    tail = f"{arrow.label.tail}  {size(arrow.event)}" if size(arrow.event) else arrow.label.tail
    return replace(arrow.label, body=drawable(arrow.label.body), tail=tail).fit(columns)


def _ticks(span: float) -> list[tuple[float, str]]:
    """Moments for the axis, in seconds, with their words in milliseconds: 4 to 9 round numbers."""
    rough = span * 1000 / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [(index * step / 1000, f"{index * step:g}") for index in range(int(span * 1000 / step) + 1)]
