"""A sheet with axes: dots by the thousand, marks, ticks and their words.

Rules of this file: like `sheet`, it needs matplotlib when it is imported, so only functions that draw import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.lines import Line2D

from .measures import number, ticks
from .sheet import Sheet
from .theme import INK, REST, measure

GRID = "#dfe2e8"
TICK = 8.0  # points
ACROSS, UPWARD = 0.55, 0.4  # inches between ticks


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high` in what was measured, from `start` to `end` in inches; `few` are the only values, if so."""

    low: float
    high: float
    start: float
    end: float
    few: Sequence[float] = ()

    def at(self, value: float) -> float:
        """Where `value` stands; what lies beyond stands at the end."""
        part = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return self.start + part * (self.end - self.start)

    def ticks(self, apart: float) -> list[tuple[float, str]]:
        """Places with their words, at least `apart` inches from each other: the few values, or round numbers."""
        values = list(self.few)
        if not values or any(self.at(two) - self.at(one) < apart for one, two in pairwise(values)):
            values = ticks(self.low, self.high, max(3, int(abs(self.end - self.start) / apart)))
        return [(self.at(value), number(round(value, 12))) for value in values]


class Plot(Sheet):
    """A sheet that also knows axes and marks."""

    def below(self, axis: Axis, top: float, bottom: float, unit: str) -> None:
        """Draw a level axis under what stands between `top` and `bottom`, with a line up at each tick."""
        words = axis.ticks(ACROSS)
        for x, _ in words:
            self.line([(x, top), (x, bottom)], color=GRID, weight=0.8)
        self.line([(axis.start, bottom), (axis.end, bottom)], color=REST, weight=1.0)
        for x, word in words:
            self.text(x, bottom + 0.13, word, size=TICK, color=REST, across="center")
        self.text(axis.end, bottom + 0.32, unit, size=TICK + 0.5, color=INK, across="right")

    def beside(self, axis: Axis, left: float, right: float) -> None:
        """Draw the lines of an upright axis from `left` to `right`, with their words at the left."""
        for y, word in axis.ticks(UPWARD):
            self.line([(left, y), (right, y)], color=GRID, weight=0.8)
            self.text(left - 0.07, y, word, size=TICK, color=REST, across="right")

    def marks(
        self,
        points: Sequence[tuple[float, float]],
        *,
        color: str,
        form: str = "o",
        size: float = 4.0,
        hollow: bool = True,
    ) -> None:
        """Put a mark at each of `points`; many of them are one stroke."""
        self._add(
            Line2D(
                [x for x, _ in points],
                [self.height - y for _, y in points],
                linestyle="none",
                marker=form,
                markersize=size,
                markerfacecolor="none" if hollow else color,
                markeredgecolor=color,
                markeredgewidth=0.8,
                antialiased=True,
            )
        )

    def tag(self, x: float, y: float, words: str, axis: Axis, *, color: str, face: str = "bold") -> None:
        """Write `words` above or below a mark at `x`, as far in the middle as the axis allows."""
        half = measure(words, face, TICK) / 2
        self.text(
            min(max(x, axis.start + half), axis.end - half),
            y,
            words,
            face=face,
            size=TICK,
            color=color,
            across="center",
        )
