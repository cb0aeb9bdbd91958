"""A page of text that is written cell by cell: a wide letter fills two, an accent none."""

from __future__ import annotations

from collections.abc import Mapping

from .theme import clusters, keep_direction

# Level, upright, and the corners: left-down, left-up, down-right, up-right.
STYLES: Mapping[str, tuple[str, ...]] = {
    "plain": tuple("─│┐┘└┌"),
    "heavy": tuple("━┃┓┛┗┏"),
    "dashed": tuple("╌┆┐┘└┌"),
}
CROSSING = "┼"
_DRAWN = frozenset(glyph for glyphs in STYLES.values() for glyph in glyphs)


class Grid:
    """Rows of cells; what is written later covers what was written before."""

    def __init__(self, rows: int) -> None:
        self._rows: list[list[str]] = [[] for _ in range(rows)]

    def put(self, row: int, at: int, text: str) -> None:
        """Write `text` from column `at` on; it must not turn round what stands after it."""
        cells = self._rows[row]
        for cluster, columns in clusters(keep_direction(text)):
            cells.extend(" " * (at + max(columns, 1) - len(cells)))
            cells[at : at + columns] = [cluster] + [""] * (columns - 1)
            at += columns

    def stroke(self, row: int, at: int, glyph: str) -> None:
        """Draw one cell of a line; where another line is, they cross."""
        cells = self._rows[row]
        there = cells[at] if at < len(cells) else " "
        self.put(row, at, CROSSING if there in _DRAWN else glyph)

    def level(self, row: int, start: int, end: int, style: str) -> None:
        """Draw a level line from column `start` up to, not including, `end`."""
        for at in range(start, end):
            self.stroke(row, at, STYLES[style][0])

    def bend(self, start: int, end: int, at: int, style: str) -> None:
        """Draw what leads in column `at` from row `start` to row `end`, with both corners."""
        _, upright, left_down, left_up, down_right, up_right = STYLES[style]
        down = end > start
        self.stroke(start, at, left_down if down else left_up)
        for row in range(min(start, end) + 1, max(start, end)):
            self.stroke(row, at, upright)
        self.stroke(end, at, down_right if down else up_right)

    def box(self, row: int, at: int, wide: int, high: int) -> None:
        """Draw a box."""
        self.put(row, at, "┌" + "─" * (wide - 2) + "┐")
        for inner in range(row + 1, row + high - 1):
            self.put(inner, at, "│" + " " * (wide - 2) + "│")
        self.put(row + high - 1, at, "└" + "─" * (wide - 2) + "┘")

    def lines(self) -> list[str]:
        """The page, without blanks at the ends of lines."""
        return ["".join(cells).rstrip() for cells in self._rows]
