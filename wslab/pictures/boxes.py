"""The map of a recording, as text: boxes, and the connections between them with counts.

A trace goes in, complete Unicode text comes out. `network` holds the facts and their sentences, `boxes_png` draws.

Rules of this file: pure functions, and nothing that differs from run to run.
"""

from __future__ import annotations

from ..trace import Trace
from . import boxes_png
from .grid import Grid
from .network import Network, finding, legend, network, tell
from .routing import Cell, Gap, route
from .theme import escape, fit, width

__all__ = ["narrate", "png", "text"]

COLUMNS = 118
NAMES = (24, 16, 13, 10, 7)  # columns of a name: the most with which all fits


def text(trace: Trace, *, title: str = "") -> str:
    """Return the map of `trace` as text."""
    found = network(trace)
    lines = [escape(title) or finding(found)]
    if found.boxes:
        for name in NAMES:
            drawn = _Page(found, name).lines()
            if max(map(width, drawn)) <= COLUMNS:
                break
        lines += ["", *drawn, "", *legend(found)]
    return "\n".join(lines)


def narrate(trace: Trace) -> str:
    """Return the map of `trace` in sentences."""
    return tell(network(trace))


def png(trace: Trace, *, title: str = "") -> bytes:
    """Return the map of `trace` as an opaque PNG, 7.2 inches wide."""
    found = network(trace)
    return boxes_png.png(found, title=title or finding(found))


class _Page:
    """One map, written cell by cell from left to right."""

    def __init__(self, found: Network, name: int) -> None:
        self.found, self.name = found, name
        self.routing = route(found)
        self.track = 1 if found.narrow else 2
        self.grid = Grid(self.routing.rows)

    def lines(self) -> list[str]:
        """The rows of the map."""
        at = 0
        for index, column in enumerate(self.routing.columns):
            wide = max(max(map(width, self._words(cell)), default=-4) for cell in column) + 4
            for cell in column:
                self._cell(cell, at, wide)
            at += wide
            if index < len(self.routing.gaps):
                at = self._gap(self.routing.gaps[index], at)
        return self.grid.lines()

    def _words(self, cell: Cell) -> list[str]:
        if cell.box is None:
            return []
        box = self.found.boxes[cell.box]
        return [fit(word, self.name) for word in (escape(box.name), self.found.listed(box)) if word]

    def _cell(self, cell: Cell, at: int, wide: int) -> None:
        words = self._words(cell)
        if cell.box is None:
            self.grid.level(cell.top + cell.ins[0], at, at + wide, self.found.links[cell.link].form)
            return
        self.grid.box(cell.top, at, wide, cell.high)
        top = cell.top + (cell.high - len(words)) // 2
        for row, word in enumerate(words, top):
            self.grid.put(row, at + (wide - width(word)) // 2, word)

    def _gap(self, gap: Gap, at: int) -> int:
        """Write what lies between two columns, from column `at` on; returns where it ends."""
        words = max((width(fact) for stretch in gap.stretches for fact in stretch.facts), default=0)
        tracks = self.track * gap.tracks
        end = at + words + tracks + (5 if gap.left or not tracks else 4)
        turn, beside = (at + words + 2, at + 1) if gap.left else (at + 1, at + tracks + 2)
        for stretch in gap.stretches:
            form = self.found.links[stretch.link].form
            if stretch.track is None:
                self.grid.level(stretch.start, at, end, form)
            else:
                column = turn + self.track * stretch.track
                self.grid.level(stretch.start, at, column, form)
                self.grid.bend(stretch.start, stretch.end, column, form)
                self.grid.level(stretch.end, column + 1, end, form)
            back = self.found.links[stretch.link].back
            if stretch.arrives and not back:
                self.grid.put(stretch.end, end - 1, "▶")
            if stretch.begins and back:
                self.grid.put(stretch.start, at, "◀")
            row = stretch.start if gap.left else stretch.end
            for offset, fact in zip((-1, 1, 2, 3, 4, 5), stretch.facts, strict=False):
                self.grid.put(row + offset, beside, fact)
        return end
