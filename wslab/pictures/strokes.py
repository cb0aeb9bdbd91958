"""How each kind of arrow and lane is drawn, in every picture of a recording.

Rules of this file: every kind of arrow has a form of its own (weight, dashes, head), not only a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..trace import Kind
from .layout import FEW, shorten
from .scene import Arrow, Scene
from .theme import CLIENT, INK, RELAY, REST, SERVER, STORE, escape, fit, measure

if TYPE_CHECKING:
    from .sheet import Sheet

COLORS = {
    "client": CLIENT,
    "balancer": RELAY,
    "server": SERVER,
    "backplane": RELAY,
    "database": STORE,
    "log": REST,
}
TINTS = {
    "client": "#8fc1df",
    "balancer": "#c3abd8",
    "server": "#eeb58f",
    "backplane": "#c3abd8",
    "database": "#8ad0b8",
    "log": "#bcc1c9",
}

HEADER = 0.72  # inches: the upper edge of the lanes' names
NAME = 10.5  # points
SIZES = (NAME, 8.5, 7.2)  # of names, with ever more lanes

HANDSHAKE = (INK, 1.3, ())
FORMS: dict[Kind, tuple[str, float, tuple[float, ...]]] = {
    Kind.REQUEST: HANDSHAKE,
    Kind.RESPONSE: HANDSHAKE,
    Kind.PING: (REST, 1.3, (1.5, 2.5)),
    Kind.PONG: (REST, 1.3, (1.5, 2.5)),
    Kind.CLOSE: (REST, 1.5, (6, 3)),
    Kind.END: (REST, 1.2, (9, 2.5, 1.5, 2.5)),
    Kind.INVALID: (INK, 2.6, (3, 2)),
    Kind.SQL: (STORE, 1.5, ()),
    Kind.LOG: (REST, 1.1, ()),
    Kind.PUBLISH: (RELAY, 1.5, ()),
    Kind.DELIVER: (RELAY, 1.5, ()),
    Kind.COMMAND: (RELAY, 1.2, (1.5, 2.5)),
}


def form(arrow: Arrow) -> tuple[str, float, tuple[float, ...]]:
    """Colour, weight and dashes of an arrow."""
    event = arrow.event
    color, weight, dashes = FORMS.get(event.kind, (CLIENT if event.up else SERVER, 1.7, ()))
    return color, 3.2 if arrow.push else weight, dashes


def stroke(sheet: Sheet, arrow: Arrow, start: float, end: float, y: float, thin: float = 1.0) -> float:
    """Draw the line and the ends of `arrow`, and return where it ends: what is lost does not arrive."""
    color, weight, dashes = form(arrow)
    weight *= thin
    if not (arrow.cut or arrow.event.lost):
        sheet.arrow(start, end, y, color=color, weight=weight, dashes=dashes, open=arrow.event.kind is Kind.END)
        return end
    if arrow.cut:
        sheet.cross(start, y, color=INK)
    else:
        end = start + (end - start) * 0.78
    sheet.line([(start, y), (end, y)], color=color, weight=weight, dashes=dashes)
    sheet.cross(end, y, color=INK)
    return end


def heading(sheet: Sheet, title: str, facts: str) -> None:
    """Write the title, as large as it fits, and the line of facts under it."""
    title = fit(escape(title), 110)
    if title:
        sheet.text(0.16, 0.2, title, face="bold", size=min(13.0, 13.0 * 6.9 / measure(title, "bold", 13.0)))
    sheet.text(0.16, 0.47 if title else 0.3, facts, size=9, color=REST)


def box_width(drawn: Scene, index: int, size: float = 0.0) -> float:
    """How wide the box of a lane's name is, in inches; without a `size` as large as so many lanes allow."""
    few = len(drawn.lanes) <= FEW
    size = size or SIZES[0 if few else 1]
    return max(0.62 if few else 0.42, measure(_name(drawn, index), "bold", size) + (0.24 if few else 0.16))


def lanes(sheet: Sheet, drawn: Scene, at: Sequence[float], bottom: float) -> None:
    """Draw all lanes `at` their places down to `bottom`, each with its name in a box that leaves room for the next."""
    names = [_name(drawn, index) for index in range(len(drawn.lanes))]
    gaps = [2.0, *(right - left for left, right in pairwise(at)), 2.0]
    rooms = [min(gaps[index : index + 2]) - 0.06 for index in range(len(names))]
    for size in SIZES:
        boxes = [box_width(drawn, index, size) for index in range(len(names))]
        if all(one / 2 + other / 2 + 0.06 <= gap for (one, other), gap in zip(pairwise(boxes), gaps[1:], strict=False)):
            break
    else:
        names = [_cut(name, room - 0.12, size) for name, room in zip(names, rooms, strict=True)]
        boxes = [min(box, room) for box, room in zip(boxes, rooms, strict=True)]
    for lane, name, wide, x in zip(drawn.lanes, names, boxes, at, strict=True):
        sheet.line([(x, HEADER + 0.3), (x, bottom)], color=TINTS[lane.role], weight=1.3)
        sheet.box(x - wide / 2, HEADER, wide, 0.28, edge=COLORS[lane.role], weight=1.7, radius=0.06)
        sheet.text(x, HEADER + 0.145, name, face="bold", size=size, color=COLORS[lane.role], across="center")


def _name(drawn: Scene, index: int) -> str:
    return fit(escape(drawn.lanes[index].name), 24 if len(drawn.lanes) <= 3 else 16)


def _cut(name: str, room: float, size: float) -> str:
    """Return as much of `name` as goes into `room` inches; its end stays, because names differ there: ``cl…3``."""
    for columns in range(16, 1, -1):
        shorter = shorten(name, columns)
        if measure(shorter, "bold", size) <= room:
            return shorter
    return name[-1:]


def sheet_of(height: float) -> Sheet:
    """Return an empty sheet; only now is matplotlib imported."""
    from .sheet import Sheet

    return Sheet(height)
