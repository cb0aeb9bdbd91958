"""What of a scene is shown, and how much room it gets: shared by text and picture, so that both show the same.

Rules of this file: pure functions; columns in, columns out.
"""

from __future__ import annotations

from collections.abc import Iterable

from .scene import Arrow, Overlay, Scene
from .theme import count

LIMIT = 60  # arrows that a diagram shows; of more, the middle is left out
FIRST, LAST, AROUND = 35, 20, 2

ORDER_IS_REAL = "Order is real along one line and from cause to effect."
ANY_ORDER = "Arrows joined by ┊ could have happened in any order; they are drawn by name."
IMAGINED = "foreseen, but not in the recording"


def counts(scene: Scene) -> str:
    """Return ``1 connection · 6 messages · 41 payload bytes``."""
    parts = (scene.connections, "connection"), (scene.messages, "message"), (scene.payload_bytes, "payload byte")
    return " · ".join(count(number, noun) for number, noun in parts)


def captions(scene: Scene) -> list[str]:
    """The lines under every diagram."""
    return [ORDER_IS_REAL, *([ANY_ORDER] if any(arrow.free for arrow in scene.arrows) else [])]


def shown(scene: Scene, overlay: Overlay) -> list[Arrow | int]:
    """The arrows that are drawn; a number stands for so many that are left out between two of them."""
    last = len(scene.arrows)
    marks = [overlay.marked, *overlay.foreseen, *overlay.unforeseen] if last > LIMIT else []
    near = {n + d for n in marks[:3] if n is not None for d in range(-AROUND, AROUND + 1)}
    result: list[Arrow | int] = []
    hidden = 0
    for arrow in scene.arrows:
        if last <= LIMIT or arrow.number <= FIRST or arrow.number > last - LAST or arrow.number in near:
            if hidden:
                result.append(hidden)
            hidden = 0
            result.append(arrow)
        else:
            hidden += 1
    return result


def spread(needs: Iterable[tuple[int, int, int]], gaps: int, *, least: int, total: int) -> list[int]:
    """Share columns out to the `gaps` between lanes, at least `least` each, if possible at most `total` together.

    `needs` are (left lane, right lane, columns between them).
    """
    columns = [least] * gaps
    for left, right, need in sorted(needs, key=lambda item: item[1] - item[0]):
        lacking = need - sum(columns[left:right]) - (right - left - 1)
        for step in range(max(lacking, 0)):
            columns[left + step % (right - left)] += 1
    while sum(columns) > total and max(columns, default=0) > least:
        columns[columns.index(max(columns))] -= 1
    return columns
