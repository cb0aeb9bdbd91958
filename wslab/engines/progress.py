"""A line that says how far something is, and is gone when it is done.

Rules of this file: nothing of it stays in a stored notebook, and tests that compare outputs do not see it: it is a
picture, which they leave out.
"""

from __future__ import annotations

import io
import sys

WIDTH, HEIGHT, BAR = 640, 26, 200


class Progress:
    """Call it with a share from 0 to 1 and a text; use as a context manager, so that it is cleared at the end.

    What a cell printed before is cleared, too: print afterwards.
    """

    def __init__(self) -> None:
        shell = sys.modules.get("IPython")
        self._notebook = shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None
        self._terminal = not self._notebook and sys.stderr.isatty()
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._notebook and self._shown:
            from IPython.display import clear_output

            clear_output()
        elif self._terminal and self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, share: float, text: str) -> None:
        """Show `text` and a bar."""
        self._shown = True
        if self._notebook:
            from IPython.display import clear_output, display

            clear_output(wait=True)
            display({"image/png": _png(share, text)}, raw=True)
        elif self._terminal:
            print(f"\r\x1b[K{share:4.0%} {text}", end="", file=sys.stderr, flush=True)


def _png(share: float, text: str) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 7, BAR, HEIGHT - 8), outline="#666666")
    draw.rectangle((0, 7, round(BAR * min(max(share, 0), 1)), HEIGHT - 8), fill="#0072B2")
    draw.text((BAR + 12, HEIGHT // 2), text, fill="black", font=ImageFont.load_default(15), anchor="lm")
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
