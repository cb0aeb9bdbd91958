"""How a picture reaches a notebook: as PNG with its text, or as sentences where the learner asked for them."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass


class Text(str):
    """A text that a notebook shows as it is, without quotes."""

    def __repr__(self) -> str:
        return str(self)


class Shown:
    """What a notebook shows as a picture: `str()`, `png()` and `narrate()` are its three forms.

    `WSLAB_NARRATE=1` in the environment makes sentences the only form, for screen readers.
    """

    def png(self) -> bytes:
        """The picture, as an opaque PNG."""
        raise NotImplementedError

    def narrate(self) -> Text:
        """The picture in sentences, for reading aloud."""
        raise NotImplementedError

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        if os.environ.get("WSLAB_NARRATE", "") not in ("", "0"):
            return {"text/plain": self.narrate()}
        return {"text/plain": str(self), "image/png": base64.b64encode(self.png()).decode("ascii")}


@dataclass(frozen=True, repr=False)
class Picture(Shown):
    """A PNG with its text form, which stands for it where no picture can be seen."""

    data: bytes
    caption: str
    narration: str = ""

    def __repr__(self) -> str:
        return self.caption

    def png(self) -> bytes:
        return self.data

    def narrate(self) -> Text:
        return Text(self.narration or self.caption)
