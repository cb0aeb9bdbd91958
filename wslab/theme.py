"""The look that all pictures share: colours, sizes, fonts, and text that stays inside its place.

Rules of this file: matplotlib is imported only by what draws, pyplot never; the same figure gives the same bytes; nothing
that a peer sent can move a cursor, reverse a line or be taken for markup.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wcwidth import wcwidth

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

# Colours that stay apart for colour-blind readers; form says everything that colour says.
CLIENT = "#0072B2"
SERVER = "#D55E00"
STORE = "#009E73"  # database, payload
RELAY = "#7a4ea3"  # balancer, keys
REST = "#5b6270"
INK = "#1f2233"
PAPER = "#ffffff"

WIDTH_IN = 7.2
DPI = 110
PALETTE = 96  # colours in a PNG: enough for smooth letters, and a third of the bytes

FACES = {
    "sans": "DejaVuSans.ttf",
    "bold": "DejaVuSans-Bold.ttf",
    "italic": "DejaVuSans-Oblique.ttf",
    "mono": "DejaVuSansMono.ttf",
    "monobold": "DejaVuSansMono-Bold.ttf",
}
MONO_EM = 0.602  # advance of every letter of DejaVu Sans Mono, in em


# Text -----------------------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """Return `text` with control, format (also bidirectional), unassigned and line-breaking characters as escapes."""
    return "".join(_escaped(char) if _unprintable(char) else char for char in text)


def width(text: str) -> int:
    """How many columns `text` takes in a terminal: 2 for CJK and emoji, 0 for combining characters."""
    return sum(columns for _, columns in clusters(text))


def fit(text: str, columns: int) -> str:
    """Return `text`, cut with ``…`` if it is wider than `columns` (at least 1)."""
    start = text[: 8 * columns + 8]  # what is cut off anyway need not be measured
    if len(start) == len(text) and width(text) <= columns:
        return text
    kept, used = [], 0
    for cluster, wide in clusters(start):
        if used + wide > columns - 1:
            break
        kept.append(cluster)
        used += wide
    return "".join(kept) + "…"


def clusters(text: str) -> Iterator[tuple[str, int]]:
    """Split `text` into letters with their combining characters, each with its width in columns."""
    cluster, columns = "", 0
    for char in text:
        wide = _columns(char)
        if cluster and wide == 0:
            cluster += char
            if char == "\ufe0f":  # "show as emoji": browsers and terminals then use two columns
                columns = 2
            continue
        if cluster:
            yield cluster, columns
        cluster, columns = char, wide
    if cluster:
        yield cluster, columns


def count(number: int, noun: str) -> str:
    """Return ``1 message`` or ``2 messages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def hexes(data: bytes, most: int = 1 << 16) -> str:
    """Return ``00 ff …``: the first `most` bytes in hexadecimal."""
    return data[:most].hex(" ") + (" …" if len(data) > most else "")


@cache
def _columns(char: str) -> int:
    return max(wcwidth(char), 0)


@cache
def _unprintable(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] == "C" or category in ("Zl", "Zp")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


# Figures --------------------------------------------------------------------------------------------------


@cache
def font(face: str, size: float) -> FontProperties:
    """The font `face` (a key of `FACES`) at `size` points, from the files that come with matplotlib."""
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=_file(face), size=size)


def drawable(text: str, face: str = "mono") -> str:
    """Return `text` with every character that the font lacks as an escape, instead of an empty box."""
    known = _characters(face)
    return "".join(char if ord(char) in known else _escaped(char) for char in escape(text))


def figure(height_in: float) -> Figure:
    """Return an empty white figure of the kit's width."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(drawn)
    return drawn


def png(figure: Figure) -> bytes:
    """Draw `figure` as an opaque PNG without metadata: the same figure gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    out = io.BytesIO()
    image.quantize(PALETTE, dither=Image.Dither.NONE).save(out, "PNG")
    return out.getvalue()


@cache
def _file(face: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path(), "fonts", "ttf", FACES[face])


@cache
def _characters(face: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(_file(face))).get_charmap())
