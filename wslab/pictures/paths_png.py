"""The paths of requests as a picture: what `paths.text` says, a row of stations for each request.

Rules of this file: an error differs from a success by its words and its mark, not only by its colour.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import say
from .paths import LIMIT_PNG, MARKS, Path, finding, legend, more, shown
from .strokes import heading, sheet_of
from .theme import CLIENT, INK, MONO_EM, REST, SERVER, STORE, WIDTH_IN, drawable, measure, within

if TYPE_CHECKING:
    from .sheet import Sheet

SIZES = (8.5, 8.0, 7.5, 7.0, 6.5, 6.0)
TOP, HIGH, BRANCH, WORDS, GAP = 0.72, 0.25, 0.19, 0.19, 0.15  # inches
LEFT, PAD, WAY = 0.48, 0.16, 0.2
KNEE, INDENT, REST_HIGH = 0.12, 0.25, 0.3
LETTER = 7.8
FILLS = {CLIENT: "#eaf3fa", SERVER: "#fdf1ea", STORE: "#e8f6f1", INK: "#ffffff", REST: "#f2f3f5"}


def png(told: Sequence[Path], *, title: str = "") -> bytes:
    """Return the paths as an opaque PNG, 7.2 inches wide."""
    drawn = list(shown(told, LIMIT_PNG))
    size, places = _columns([path for path in drawn if isinstance(path, Path)])
    heights = [_high(path, places) if isinstance(path, Path) else REST_HIGH for path in drawn]
    bottom = TOP + sum(heights)
    sheet = sheet_of(bottom + 0.22 * bool(told))
    heading(sheet, title or finding(told), say("decided from this recording"))
    y = TOP
    for path, high in zip(drawn, heights, strict=True):
        if isinstance(path, int):
            sheet.text(LEFT, y + 0.1, more(path), size=8.5, color=REST)
        else:
            _draw(sheet, path, y, size, places)
        y += high
    if told:
        sheet.text(0.16, bottom + 0.05, legend(told), face="italic", size=8, color=REST)
    return sheet.png()


def _high(path: Path, places: Sequence[float]) -> float:
    return WORDS + HIGH + GAP + BRANCH * sum(len(_rows(branch, path, places)) for branch in path.branches)


def _rows(branch: str, path: Path, places: Sequence[float]) -> list[str]:
    """The words of a branch in one row, or two."""
    columns = int((WIDTH_IN - places[path.fork] - KNEE - INDENT - 0.16) / (MONO_EM * LETTER / 72))
    return textwrap.wrap(drawable(branch), columns, max_lines=2, placeholder="…")


def _columns(told: Sequence[Path]) -> tuple[float, list[float]]:
    """The size of the letters, and where each column of stations begins and the last one ends."""
    for size in SIZES:
        wide: list[float] = []
        for path in told:
            for index, words in enumerate(_marked(path)):
                wide += [0.0] * (index + 1 - len(wide))
                wide[index] = max(wide[index], measure(words, "bold", size) + PAD)
        if sum(wide) + WAY * max(len(wide) - 1, 0) <= WIDTH_IN - LEFT - 0.16:
            break
    places, x = [], LEFT
    for column in wide:
        places.append(x)
        x += column + WAY
    return size, [*places, x]


def _marked(path: Path) -> list[str]:
    return [*path.stations[:-1], f"{path.stations[-1]} {MARKS[path.good]}"]


def _draw(sheet: Sheet, path: Path, y: float, size: float, places: Sequence[float]) -> None:
    words = within(path.request, WIDTH_IN - LEFT - 0.16, "mono", LETTER)
    sheet.text(LEFT - 0.12, y + WORDS + HIGH / 2, str(path.number), face="bold", size=9, across="right")
    sheet.text(LEFT, y + 0.06, words, face="mono", size=LETTER, color=REST)
    top = y + WORDS
    stations = _marked(path)
    ends = [places[i] + measure(words, "bold", size) + PAD for i, words in enumerate(stations)]
    for end, start in zip(ends, places[1 : len(stations)], strict=False):
        sheet.arrow(end, start, top + HIGH / 2, color=INK, weight=1.2)
    for index, words in enumerate(stations):
        ink = _ink(path, index)
        heavy = path.good is False and index == path.fork
        sheet.box(
            places[index],
            top,
            ends[index] - places[index],
            HIGH,
            edge=ink,
            fill=FILLS[ink],
            weight=2.4 if heavy else 1.3,
            radius=0.05,
        )
        sheet.text(
            (places[index] + ends[index]) / 2, top + HIGH / 2, words, face="bold", size=size, color=ink, across="center"
        )
    x, level = places[path.fork] + KNEE, top + HIGH - 0.05
    for branch in path.branches:
        first, *others = _rows(branch, path, places)
        level += BRANCH
        sheet.line([(x, top + HIGH), (x, level)], color=INK, weight=1.1)
        sheet.arrow(x, x + 0.2, level, color=INK, weight=1.1)
        sheet.text(x + INDENT, level, first, face="mono", size=LETTER)
        for row in others:
            level += BRANCH
            sheet.text(x + INDENT, level, row, face="mono", size=LETTER)


def _ink(path: Path, index: int) -> str:
    if index in (0, len(path.stations) - 1):
        return CLIENT if path.good is not None or index == 0 else REST
    if index == 2:
        return SERVER
    if index >= 4:
        return STORE if path.good else SERVER
    return INK
