"""The map of a recording as a picture: what `boxes.text` says.

Rules of this file: a line with pushes is heavy, one without a word dashed, so that nothing is said by colour alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import say
from .network import Box, Network, legend
from .routing import Cell, Gap, Routing, Stretch, route
from .strokes import COLORS, HEADER, heading, sheet_of
from .theme import CLIENT, INK, RELAY, REST, SERVER, STORE, WIDTH_IN, measure, within

if TYPE_CHECKING:
    from .sheet import Point, Sheet

ROW = 0.172  # inches
MARGIN = 0.2
ROOMY, TIGHT = (0.14, 0.4, 0.28, 0.8), (0.09, 0.28, 0.16, 0.5)  # inches: track, ends of a gap, padding, narrowest box
WIDEST = 1.75  # inches of a name
# Points of the words beside a line, and what else gives way where all this does not fit: space first, then names.
SIZES = [
    *((size, ROOMY, WIDEST) for size in (9.0, 8.5, 8.0)),
    *((size, TIGHT, WIDEST) for size in (8.5, 8.0, 7.5, 7.0, 6.5)),
    *((6.5, TIGHT, widest) for widest in (1.2, 0.9, 0.7, 0.5)),
]
SLACK = 1.3  # inches by which a gap grows at most where there is room
FILLS = {CLIENT: "#eaf3fa", SERVER: "#fdf1ea", STORE: "#e8f6f1", RELAY: "#f3eff8", REST: "#f2f3f5"}
FORMS: dict[str, tuple[float, tuple[float, ...]]] = {
    "plain": (1.6, ()),
    "heavy": (3.4, ()),
    "dashed": (1.4, (4.0, 3.0)),
}


def png(found: Network, *, title: str) -> bytes:
    """Return the map as an opaque PNG, 7.2 inches wide."""
    return _Drawing(found, title).draw()


class _Drawing:
    """One map: how wide everything is, then the lines, then the boxes over them."""

    def __init__(self, found: Network, title: str) -> None:
        self.found, self.title = found, title
        self.routing: Routing = route(found)
        self.widths: list[float] = []
        self.words: list[float] = []
        for self.size, (self.track, self.ends, self.pad, self.least), self.widest in SIZES:
            self._measure()
            if self._total() <= WIDTH_IN - 2 * MARGIN:
                break
        room = WIDTH_IN - 2 * MARGIN - self._total()
        self.slack = min(max(room, 0.0) / max(len(self.words), 1), SLACK)
        self.left = MARGIN + max(room - self.slack * len(self.words), 0.0) / 2

    def draw(self) -> bytes:
        """Draw everything; what is drawn later covers what was drawn before."""
        notes = legend(self.found) if self.found.boxes else [say("Nothing crossed the wire.")]
        bottom = HEADER + self.routing.rows * ROW + 0.22
        sheet = sheet_of(bottom + 0.2 * len(notes) + 0.02)
        heading(sheet, self.title, say("counted from this recording"))
        x = self.left
        boxes: list[tuple[Cell, float, float]] = []
        words: list[tuple[Gap, float]] = []
        for index, column in enumerate(self.routing.columns):
            boxes += [(cell, x, self.widths[index]) for cell in column]
            x += self.widths[index]
            if index < len(self.routing.gaps):
                words.append((self.routing.gaps[index], x))
                self._lines(sheet, index, x)
                x += self._gap(index)
        for cell, at, wide in boxes:
            self._cell(sheet, cell, at, wide)
        for index, (gap, at) in enumerate(words):
            self._words(sheet, gap, at, index)
        for index, note in enumerate(notes):
            sheet.text(0.16, bottom + 0.2 * index, note, face="italic", size=8, color=REST)
        return sheet.png()

    def _measure(self) -> None:
        name = self.size + 1.5
        self.widths = [
            max((self._wide(self.found.boxes[cell.box], name) for cell in column if cell.box is not None), default=0.3)
            for column in self.routing.columns
        ]
        self.words = [
            max((measure(fact, "sans", self.size) for s in gap.stretches for fact in s.facts), default=0.0)
            for gap in self.routing.gaps
        ]

    def _wide(self, box: Box, name: float) -> float:
        lines = [
            measure(self._cut(box.name, name), "bold", name),
            measure(self._cut(self.found.listed(box), self.size), "sans", self.size),
        ]
        return max(self.least, max(lines) + self.pad)

    def _cut(self, name: str, size: float) -> str:
        return within(name, self.widest, "bold", size)

    def _total(self) -> float:
        return sum(self.widths) + sum(
            words + gap.tracks * self.track + self.ends
            for words, gap in zip(self.words, self.routing.gaps, strict=True)
        )

    def _gap(self, index: int) -> float:
        return self.words[index] + self.routing.gaps[index].tracks * self.track + self.ends + self.slack

    def _lines(self, sheet: Sheet, index: int, at: float) -> None:
        """The lines of one gap; each has a white border, so that of two that cross one passes over the other."""
        gap, end = self.routing.gaps[index], at + self._gap(index)
        turn = end - 0.18 - (gap.tracks - 1) * self.track if gap.left else at + 0.09
        for stretch in gap.stretches:
            link = self.found.links[stretch.link]
            start_y, end_y = self._y(stretch.start), self._y(stretch.end)
            path: list[Point] = [(at, start_y), (end, end_y)]
            if stretch.track is not None:
                x = turn + stretch.track * self.track
                path[1:1] = [(x, start_y), (x, end_y)]
            weight, dashes = FORMS[link.form]
            color = self._color(stretch)
            if stretch.arrives and not link.back:
                path[-1] = (end - 0.09, end_y)
            if stretch.begins and link.back:
                path[0] = (at + 0.09, start_y)
            sheet.line(path, color="#ffffff", weight=weight + 3.5)
            sheet.line(path, color=color, weight=weight, dashes=dashes)
            if stretch.arrives and not link.back:
                sheet.arrow(end - 0.1, end, end_y, color=color, weight=max(weight, 1.8))
            if stretch.begins and link.back:
                sheet.arrow(at + 0.1, at, start_y, color=color, weight=max(weight, 1.8))

    def _words(self, sheet: Sheet, gap: Gap, at: float, index: int) -> None:
        x = at + 0.07 if gap.left else at + self._gap(index) - self.words[index] - 0.14
        for stretch in gap.stretches:
            row = stretch.start if gap.left else stretch.end
            for offset, fact in zip((-1, *range(1, len(stretch.facts))), stretch.facts, strict=False):
                y = self._y(row) + (offset - (0.12 if offset > 0 else -0.12)) * ROW
                sheet.text(x, y, fact, face="sans", size=self.size, color=INK)

    def _cell(self, sheet: Sheet, cell: Cell, at: float, wide: float) -> None:
        if cell.box is None:
            weight, dashes = FORMS[self.found.links[cell.link].form]
            y = self._y(cell.top + cell.ins[0])
            sheet.line([(at, y), (at + wide, y)], color=self._link_color(cell.link), weight=weight, dashes=dashes)
            return
        box = self.found.boxes[cell.box]
        color = self._box_color(cell.box)
        top, high = self._y(cell.top), (cell.high - 1) * ROW
        sheet.box(at, top, wide, high, edge=color, fill=FILLS.get(color, "#ffffff"), weight=1.8, radius=0.06)
        name = self.size + 1.5
        middle = top + high / 2 - (0.5 * ROW if self.found.listed(box) else 0.0)
        sheet.text(
            at + wide / 2, middle, self._cut(box.name, name), face="bold", size=name, color=color, across="center"
        )
        if self.found.listed(box):
            sheet.text(
                at + wide / 2,
                middle + ROW,
                self._cut(self.found.listed(box), self.size),
                size=self.size,
                across="center",
            )

    def _y(self, row: int) -> float:
        return HEADER + 0.08 + row * ROW

    def _color(self, stretch: Stretch) -> str:
        return self._link_color(stretch.link)

    def _link_color(self, number: int) -> str:
        link = self.found.links[number]
        left, right = self.found.boxes[link.left].role, self.found.boxes[link.right].role
        if link.form == "dashed":
            return REST
        return COLORS.get(left if left == "client" else right, RELAY)

    def _box_color(self, box: int) -> str:
        """The colour of a box; clients that neither said nor heard anything are grey."""
        links = [link for link in self.found.links if box in (link.left, link.right)]
        role = self.found.boxes[box].role
        return REST if role == "client" and all(link.tally.silent for link in links) else COLORS.get(role, RELAY)
