"""How each kind of arrow and lane is drawn, in every picture of a recording.

Rules of this file: every kind of arrow has a form of its own (weight, dashes, head), not only a colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .scene import Arrow, Scene
from .theme import CLIENT, INK, REST, SERVER, STORE, escape, fit, measure
from .trace import Kind

if TYPE_CHECKING:
    from .sheet import Sheet

COLORS = {"client": CLIENT, "server": SERVER, "database": STORE, "log": REST}
TINTS = {"client": "#8fc1df", "server": "#eeb58f", "database": "#8ad0b8", "log": "#bcc1c9"}

HEADER = 0.72  # inches: the upper edge of the lanes' names

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
}


def form(arrow: Arrow) -> tuple[str, float, tuple[float, ...]]:
    """Colour, weight and dashes of an arrow."""
    event = arrow.event
    color, weight, dashes = FORMS.get(event.kind, (CLIENT if event.up else SERVER, 1.7, ()))
    return color, 3.2 if arrow.push else weight, dashes


def stroke(sheet: Sheet, arrow: Arrow, start: float, end: float, y: float) -> float:
    """Draw the line and the ends of `arrow`, and return where it ends: what is lost does not arrive."""
    color, weight, dashes = form(arrow)
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
    title = escape(title)
    if title:
        sheet.text(0.16, 0.2, title, face="bold", size=min(13.0, 13.0 * 6.9 / measure(title, "bold", 13.0)))
    sheet.text(0.16, 0.47 if title else 0.3, facts, size=9, color=REST)


def name(drawn: Scene, lane: int) -> str:
    """The name of a lane, as long as its box may be."""
    return fit(escape(drawn.lanes[lane].name), 16 if len(drawn.lanes) < 5 else 10)


def box_width(drawn: Scene, lane: int) -> float:
    """How wide the box of a lane's name is, in inches."""
    return max(0.7, measure(name(drawn, lane), "bold", 10.5) + 0.24)


def lane(sheet: Sheet, drawn: Scene, index: int, at: float, bottom: float) -> None:
    """Draw a lane with the box of its name, down to `bottom`."""
    role, wide = drawn.lanes[index].role, box_width(drawn, index)
    sheet.line([(at, HEADER + 0.3), (at, bottom)], color=TINTS[role], weight=1.3)
    sheet.box(at - wide / 2, HEADER, wide, 0.28, edge=COLORS[role], weight=1.7, radius=0.06)
    sheet.text(at, HEADER + 0.145, name(drawn, index), face="bold", size=10.5, color=COLORS[role], across="center")


def sheet_of(height: float) -> Sheet:
    """Return an empty sheet; only now is matplotlib imported."""
    from .sheet import Sheet

    return Sheet(height)
