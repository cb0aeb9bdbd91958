"""The look that all pictures share: colours, sizes, fonts, and text that stays inside its place.

Rules of this file: only what draws imports matplotlib, and never pyplot; the same figure gives the same bytes; nothing
that a peer sent can move a cursor, reverse a line or be taken for markup.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wcwidth import wcwidth

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.ft2font import FT2Font

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
MOST = 500  # characters of a text that are looked at: more never fits into the width
PALETTE = 64  # colours in a PNG: enough for smooth letters, and a third of the bytes

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


def keep_direction(text: str) -> str:
    """Return `text` such that letters written from right to left do not turn round what stands after it."""
    turned = any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in text)
    return text + "\u200e" if turned else text


def milliseconds(seconds: float) -> str:
    """Return ``3.2 ms`` or ``151 ms``."""
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 9.95 else f"{value:.0f} ms"


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


def measure(text: str, face: str, size: float) -> float:
    """How wide `text` is in a figure, in inches."""
    return float(letters(text, face, size)[0].shape[1]) / DPI


def within(text: str, room: float, face: str, size: float) -> str:
    """Return `text` as it is drawn, cut with ``…`` to fit into `room` inches."""
    shown = drawable(text[:MOST], face)
    if measure(shown, face, size) <= room:
        return shown
    least, most = 1, width(shown)
    while least < most:
        columns = (least + most + 1) // 2
        if measure(fit(shown, columns), face, size) <= room:
            least = columns
        else:
            most = columns - 1
    return fit(shown, least)


@lru_cache(maxsize=4096)
def letters(text: str, face: str, size: float) -> tuple[npt.NDArray[np.uint8], float]:
    """Return `text` as an array of coverage from 0 to 255, and how far it reaches below the baseline, in pixels.

    Kept: most words of a picture stand in the next one too, and shaping them is the larger part of drawing.
    """
    from matplotlib.ft2font import LoadFlags

    drawn = _face(face)
    drawn.set_size(size, DPI)
    drawn.set_text(drawable(text, face), 0.0, flags=LoadFlags.TARGET_LIGHT)
    drawn.draw_glyphs_to_bitmap(antialiased=True)
    return drawn.get_image().copy(), drawn.get_descent() / 64


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

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    small = image.quantize(PALETTE, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    colors = small.getpalette() or []
    small.putpalette([255 if value > 250 else value for value in colors])  # it averages, and paper is white
    out = io.BytesIO()
    small.save(out, "PNG")
    return out.getvalue()


@cache
def _file(face: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path(), "fonts", "ttf", FACES[face])


@cache
def _face(face: str) -> FT2Font:
    from matplotlib.ft2font import FT2Font

    return FT2Font(str(_file(face)))


@cache
def _characters(face: str) -> frozenset[int]:
    return frozenset(_face(face).get_charmap())
