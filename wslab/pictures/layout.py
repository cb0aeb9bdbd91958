"""What of a scene is shown, and how much room it gets: shared by text and picture, so that both show the same.

Rules of this file: pure functions; a text is measured in columns, a picture in inches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..errors import later, say, say_many
from .labels import size
from .scene import Arrow, Overlay, Scene
from .theme import WIDTH_IN, fit, width

LIMIT = 48  # arrows that a diagram shows; of more, the middle is left out
FIRST, LAST, AROUND = 30, 14, 1

# Inches between the rows of a picture: few rows, many rows, and what measured time and the end of a step add.
LINE, LINE_OF_MANY, MANY = 0.335, 0.29, 32
WAIT_MOST, WAIT_PER_LOG_MS, STEP = 0.42, 0.085, 0.14
LANES_FROM = 1.25  # inches: the first lane of a picture
FEW = 5  # lanes that have room enough
WIDEST = 60  # columns of a label, if it is alone on its line
ENDS = 6  # columns of an arrow beside its label

ORDER_IS_REAL = later("Order is real along one line and from cause to effect.")
ANY_ORDER = later("Arrows joined by ┊ could have happened in any order; they are drawn by name.")
IMAGINED = later("foreseen, but not in the recording:")
EMPTY = later("Nothing crossed the wire.")
FORESEEN = later("✓ foreseen   ! not foreseen")


def counts(scene: Scene) -> str:
    """Return ``1 connection · 6 messages · 41 payload bytes``, and what else was exchanged."""
    found = [say_many("{count} connection", "{count} connections", scene.connections), exchanged(scene, " · ")]
    if scene.requests:
        found.append(say_many("{count} body byte", "{count} body bytes", scene.body_bytes))
    if scene.messages or not scene.requests:
        found.append(say_many("{count} payload byte", "{count} payload bytes", scene.payload_bytes))
    return " · ".join(found)


def exchanged(scene: Scene, joint: str = ", ") -> str:
    """Return ``6 messages``, or ``2 requests``, or both."""
    requests = say_many("{count} request", "{count} requests", scene.requests)
    messages = say_many("{count} message", "{count} messages", scene.messages)
    return joint.join(
        ([requests] if scene.requests else []) + ([messages] if scene.messages or not scene.requests else [])
    )


def captions(scene: Scene) -> list[str]:
    """The lines under every diagram."""
    return [say(ORDER_IS_REAL), *([say(ANY_ORDER)] if any(arrow.free for arrow in scene.arrows) else [])]


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


def shorten(name: str, columns: int) -> str:
    """Return `name` in at most `columns` columns; its end stays, because names differ there: ``cl…3``."""
    return name if width(name) <= columns else fit(name[:-1], columns - 1) + name[-1]


def heights(rows: Sequence[Arrow | int], top: float) -> list[float]:
    """How far down each row of a picture stands: the gap above it grows with the measured time, ever slower."""
    places: list[float] = []
    y, before = top, None
    for row in rows:
        if places:
            y += LINE if len(rows) <= MANY else LINE_OF_MANY
        if isinstance(before, Arrow) and isinstance(row, Arrow):
            waited_ms = max(0.0, row.event.at - before.event.at) * 1000
            y += min(WAIT_MOST, WAIT_PER_LOG_MS * math.log1p(waited_ms))
            y += STEP if row.event.step != before.event.step else 0.0
        places.append(y)
        before = row
    return places


def lanes_at(scene: Scene, rows: Sequence[Arrow | int], boxes: Sequence[float], letter: float) -> list[float]:
    """How far right each lane of a picture stands: room goes to the longest labels.

    `boxes` are how wide the lanes' names are drawn, `letter` how wide a letter of a label is.
    """
    if not boxes:
        return []
    last = len(boxes) - 1
    arrows = [row for row in rows if isinstance(row, Arrow)]
    if last <= 1 and scene.lanes[last].role == "server":
        margin = 1.95  # beside the last lane stands what is said of a push
    elif scene.slots(last) or any(arrow.push and arrow.right == last for arrow in arrows):
        margin = 0.9
    else:
        margin = boxes[last] / 2 + 0.15
    first = max(LANES_FROM if last < FEW else 0.0, 0.92 + boxes[0] / 2)
    room = WIDTH_IN - first - margin
    needs = [(row.left, row.right, min(row.label.width + len(size(row.event)), WIDEST) + ENDS) for row in arrows]
    needs += [(i, i + 1, int((boxes[i] + boxes[i + 1]) / 2 / letter) + 2) for i in range(last)]
    columns = spread(needs, last, least=9 if last < FEW else 6, total=int(room / letter) - last)
    return [first + room * sum(columns[:i]) / max(sum(columns), 1) for i in range(last + 1)]
