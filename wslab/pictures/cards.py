"""Small pictures made of text: a covered card, and a table above another picture.

Rules of this file: matplotlib and Pillow are imported only when something is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from . import theme


def table(lines: Sequence[str], *, covered: bool = False) -> bytes:
    """Lines of text as a picture: the first bold, the others in columns; a covered card is hatched."""
    from matplotlib.patches import Rectangle

    height = 0.34 + 0.24 * len(lines)
    figure = theme.figure(height)
    if covered:
        figure.add_artist(
            Rectangle(
                (0.01, 0.06),
                0.98,
                0.88,
                fill=False,
                hatch="///",
                edgecolor="#d5d8de",
                linewidth=1.2,
                transform=figure.transFigure,
            )
        )
    for number, line in enumerate(lines):
        y = 1 - (0.26 + 0.24 * number) / height
        face, size = ("bold", 10.5) if number == 0 else ("sans", 9.5) if covered else ("mono", 8.5)
        figure.text(
            0.03,
            y,
            theme.drawable(line, face),
            fontproperties=theme.font(face, size),
            color=theme.INK,
            va="center",
            parse_math=False,
            backgroundcolor=theme.PAPER if covered else "none",
        )
    return theme.png(figure)


def stacked(pictures: Sequence[bytes]) -> bytes:
    """PNG pictures one below the other."""
    from PIL import Image

    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in pictures]
    sheet = Image.new("RGB", (max(image.width for image in images), sum(image.height for image in images)), "white")
    y = 0
    for image in images:
        sheet.paste(image, (0, y))
        y += image.height
    out = io.BytesIO()
    sheet.quantize(theme.PALETTE, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        out, "PNG", optimize=True
    )
    return out.getvalue()
