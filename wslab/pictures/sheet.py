"""A sheet of paper to draw on, measured in inches from its upper left corner.

Rules of this file: it alone imports matplotlib when it is imported, so only functions that draw import it; the object
interface, never pyplot; a text is drawn as it is, never as a formula, and without a character that the font lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Polygon

from .theme import DPI, INK, PAPER, figure, letters, png

Point = tuple[float, float]
HEAD = 0.105  # length of an arrowhead
MIDDLE = 0.36  # height of the middle of a capital letter above the baseline, in em


class Sheet:
    """A picture of the kit's width; what is drawn later covers what was drawn before."""

    def __init__(self, height: float) -> None:
        self.height = height
        self._figure = figure(height)
        self._drawn = 0

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        face: str = "sans",
        size: float = 8.5,
        color: str = INK,
        across: str = "left",
        paper: bool = False,
    ) -> None:
        """Write `text` with the middle of its capitals at `y`; `paper` covers what is behind it."""
        image, descent = letters(text, face, size)
        wide = image.shape[1]
        left = x * DPI - {"left": 0.0, "center": wide / 2, "right": wide}[across]
        base = (self.height - y) * DPI - MIDDLE * size / 72 * DPI
        if paper:
            self.box((left - 3) / DPI, y - size / 100, (wide + 6) / DPI, size / 50, edge="none", weight=0)
        self._add(_Letters(image, color, round(left), round(base - descent)))

    def line(
        self, points: Sequence[Point], *, color: str = INK, weight: float = 1.0, dashes: Sequence[float] = ()
    ) -> None:
        """Draw a line through `points`; `dashes` are lengths in points, drawn and left out by turns."""
        self._add(
            Line2D(
                [x for x, _ in points],
                [self.height - y for _, y in points],
                color=color,
                linewidth=weight,
                linestyle=(0, tuple(d / weight for d in dashes)) if dashes else "-",
                solid_capstyle="butt",
                dash_capstyle="butt",
                solid_joinstyle="miter",
                antialiased=True,
            )
        )

    def shape(self, points: Sequence[Point], *, fill: str) -> None:
        """Draw a filled polygon."""
        corners = [(x, self.height - y) for x, y in points]
        self._add(Polygon(corners, closed=True, facecolor=fill, edgecolor="none", antialiased=True))

    def box(
        self,
        x: float,
        y: float,
        wide: float,
        high: float,
        *,
        edge: str,
        fill: str = PAPER,
        weight: float = 1.5,
        radius: float = 0.0,
    ) -> None:
        """Draw a box whose upper left corner is at (x, y)."""
        style = f"round,pad=0,rounding_size={radius}" if radius else "square,pad=0"
        corner = (x, self.height - y - high)
        self._add(
            FancyBboxPatch(
                corner, wide, high, boxstyle=style, facecolor=fill, edgecolor=edge, linewidth=weight, antialiased=True
            )
        )

    def arrow(
        self,
        start: float,
        end: float,
        y: float,
        *,
        color: str,
        weight: float = 1.5,
        dashes: Sequence[float] = (),
        open: bool = False,
    ) -> None:
        """Draw a level arrow; `open` leaves its head unfilled."""
        way = 1 if end > start else -1
        head = HEAD * (1 + (weight - 1.5) / 6)
        neck, half = end - way * head, head * 0.45
        stop = end - way * 0.02 if open else neck + way * 0.02
        self.line([(start, y), (stop, y)], color=color, weight=weight, dashes=dashes)
        wings = [(neck, y - half), (end, y), (neck, y + half)]
        if open:
            self.line(wings, color=color, weight=weight)
        else:
            self.shape(wings, fill=color)

    def cross(self, x: float, y: float, *, color: str, weight: float = 1.8) -> None:
        """Draw a ✕, the end of what does not arrive."""
        half = 0.055
        self.line([(x - half, y - half), (x + half, y + half)], color=color, weight=weight)
        self.line([(x - half, y + half), (x + half, y - half)], color=color, weight=weight)

    def png(self) -> bytes:
        """Return the sheet as PNG."""
        return png(self._figure)

    def _add(self, artist: Artist) -> None:
        artist.set_transform(self._figure.dpi_scale_trans)
        artist.set_zorder(self._drawn)
        self._drawn += 1
        self._figure.add_artist(artist)


class _Letters(Artist):
    """A line of text that is put down as the pixels it was shaped to: an eighth of the time of matplotlib's own."""

    def __init__(self, coverage: np.ndarray[Any, np.dtype[np.uint8]], color: str, left: int, bottom: int) -> None:
        super().__init__()
        self._place = left, bottom
        self._image = np.empty((*coverage.shape, 4), np.uint8)
        self._image[..., :3] = [round(255 * part) for part in to_rgb(color)]
        self._image[..., 3] = coverage

    def draw(self, renderer: Any) -> None:
        stroke = renderer.new_gc()
        renderer.draw_image(stroke, *self._place, self._image[::-1])
        stroke.restore()
