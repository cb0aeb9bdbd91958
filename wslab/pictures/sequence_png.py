"""The sequence diagram of a recording as a picture: what `sequence.text` says, with the times that were measured.

Rules of this file: times stand here and nowhere else; gaps grow with them, slower the longer they are; every kind of
arrow has a form of its own, not only a colour.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from ..errors import later, say, say_many
from ..trace import FRAMES, Trace
from .labels import Label, size
from .layout import EMPTY, FORESEEN, LINE, captions, counts, heights, lanes_at, shown
from .scene import NOTHING, Arrow, Overlay, Scene, scene
from .strokes import HEADER, box_width, form, heading, lanes, sheet_of, stroke
from .theme import INK, MONO_EM, REST, SERVER, STORE, WIDTH_IN, drawable, escape, milliseconds

WORK = "#f9e0d0"
LETTERS = (8.3, 8.3, 7.9, 7.4)  # points, with up to so many lanes
BAR, BAR_STEP = 0.11, 0.15  # inches: work on a message, and beside it other work at the same time
PINGS = later("Keepalive pings are not shown.")


def png(trace: Trace, *, title: str = "", show_pings: bool = False, overlay: Overlay = NOTHING) -> bytes:
    """Return the sequence diagram of `trace` as an opaque PNG, 7.2 inches wide."""
    drawn = scene(trace, show_pings=show_pings, imagined=overlay.imagined)
    lines = captions(drawn) if drawn.arrows else [say(EMPTY)]
    if not show_pings and any(event.keepalive and event.kind in FRAMES for event in trace):
        lines.append(say(PINGS))
    if overlay.foreseen or overlay.unforeseen:
        lines.append(say(FORESEEN))
    return _Drawing(drawn, overlay, title, lines).draw()


class _Drawing:
    """One diagram: where everything stands, then the strokes in the order in which they cover each other."""

    def __init__(self, drawn: Scene, overlay: Overlay, title: str, lines: list[str]) -> None:
        self.scene, self.overlay, self.title, self.lines = drawn, overlay, title, lines
        rows = shown(drawn, overlay)
        self.letter = LETTERS[min(len(drawn.lanes), len(LETTERS)) - 1]
        self.rows = list(zip(rows, heights(rows, HEADER + 0.64), strict=True))
        self.bottom = (self.rows[-1][1] if rows else HEADER + 0.4) + 0.3
        self.imagined = self.bottom + 0.12
        if overlay.imagined:
            self.bottom = self.imagined + LINE * len(overlay.imagined) + 0.28
        boxes = [box_width(drawn, index) for index in range(len(drawn.lanes))]
        # Where rows of several connections do not stand in the order of time, times would read as if they did.
        self.timed = all(one.event.at <= other.event.at for one, other in pairwise(drawn.arrows))
        self.at = lanes_at(drawn, rows, boxes, MONO_EM * self.letter / 72)
        self.sheet = sheet_of(self.bottom + 0.2 + 0.18 * len(lines))

    def draw(self) -> bytes:
        self._head()
        self._works()
        before: Arrow | None = None
        above = 0.0
        for row, y in self.rows:
            if isinstance(row, int):
                self._elided(row, y)
                before = None
                continue
            if before is not None and before.event.step != row.event.step:
                self._rule(y - 0.3)
            self._row(row, y, above if before is not None and row.free else None)
            before, above = row, y
        self._imagined()
        for index, line in enumerate(self.lines):
            self.sheet.text(0.16, self.bottom + 0.14 + 0.18 * index, line, face="italic", size=8, color=REST)
        return self.sheet.png()

    def _head(self) -> None:
        facts = counts(self.scene)
        if self.scene.arrows:
            facts += f" · {milliseconds(self.scene.lasted)}"
            if self.timed:
                self.sheet.text(0.82, HEADER + 0.15, "ms", size=7, color=REST, across="right")
        heading(self.sheet, self.title, facts)
        lanes(self.sheet, self.scene, self.at, self.bottom - 0.06)

    def _works(self) -> None:
        at: dict[int, float] = {}
        for row, y in self.rows:  # what is left out stands where its count stands
            numbers = [row.number] if isinstance(row, Arrow) else range(len(at) + 1, len(at) + 1 + row)
            at.update(dict.fromkeys(numbers, y))
        for work in self.scene.works:
            if at[work.after] == at[work.until]:
                continue
            top, bottom = at[work.after] + 0.08, at[work.until] + 0.045
            left = self.at[work.lane] - BAR / 2 + BAR_STEP * work.slot
            self.sheet.box(left, top, BAR, bottom - top, edge=SERVER, fill=WORK, weight=1.1)

    def _busy(self, lane: int, number: int) -> float:
        """How far to the right of its line the work on `lane` reaches."""
        works = self.scene.working(lane, number)
        return max((BAR / 2 + BAR_STEP * work.slot for work in works), default=0.0)

    def _row(self, arrow: Arrow, y: float, joined: float | None) -> None:
        sheet, number = self.sheet, arrow.number
        sheet.text(0.3, y, str(number), face="bold", size=8.5, across="center")
        if self.timed:
            since = milliseconds(arrow.event.at - self.scene.began).removesuffix(" ms")
            sheet.text(0.82, y, since, size=7, color=REST, across="right")
        if joined is not None:
            sheet.line([(0.3, joined + 0.09), (0.3, y - 0.09)], color=INK, weight=1.4, dashes=(1.5, 2))
        if number in self.overlay.unforeseen:
            sheet.text(0.49, y, "!", face="bold", size=12, color=SERVER, across="center")
        elif number in self.overlay.foreseen:
            sheet.text(0.49, y, "✓", size=9, color=STORE, across="center")
        self._stroke(arrow, y)
        self._notes(arrow, y)
        if number == self.overlay.marked:
            sheet.box(0.03, y - 0.23, WIDTH_IN - 0.06, 0.34, edge=INK, fill="none", weight=2.2, radius=0.05)
            sheet.shape([(0.07, y - 0.06), (0.17, y), (0.07, y + 0.06)], fill=INK)

    def _stroke(self, arrow: Arrow, y: float) -> None:
        left = self.at[arrow.left] + self._busy(arrow.left, arrow.number)
        right = self.at[arrow.right]
        if self._busy(arrow.right, arrow.number):
            own = [w.slot for w in self.scene.working(arrow.right, arrow.number) if w.until == arrow.number]
            right += BAR_STEP * max(own, default=0) - BAR / 2
        start, end = (left, right) if arrow.source <= arrow.target else (right, left)
        end = stroke(self.sheet, arrow, start, end, y)
        color, _, _ = form(arrow)
        self._label(arrow.label, y, min(start, end), max(start, end), color, size(arrow.event))

    def _label(self, label: Label, y: float, left: float, right: float, color: str, tail: str = "") -> None:
        columns = int((right - left - 0.2) / (MONO_EM * self.letter / 72))
        tail = f"{label.tail}  {tail}" if tail else label.tail
        words = replace(label, body=drawable(label.body), tail=tail).fit(max(columns, 1))
        crossed = any(left + 0.05 < at < right - 0.05 for at in self.at)
        self.sheet.text(
            (left + right) / 2,
            y - 0.115,
            words,
            face="mono",
            size=self.letter,
            color=color,
            across="center",
            paper=crossed,
        )

    def _notes(self, arrow: Arrow, y: float) -> None:
        """What stands to the right of the arrow: a push, or how long the server was at work."""
        lane = arrow.right
        room = (self.at[lane + 1] if lane + 1 < len(self.at) else WIDTH_IN) - self.at[lane] - 0.1
        x = self.at[lane] + max(self._busy(lane, arrow.number), 0.04) + 0.08
        if arrow.push:
            words = say("push") if arrow.asked or room < 1.85 else say("push: no request before it")
            self.sheet.line([(x - 0.06, y), (x + 0.09, y)], color=SERVER, weight=0.8)
            self.sheet.text(x + 0.13, y, words, size=8, color=SERVER)
        for work in self.scene.working(lane, arrow.number):
            if work.until == arrow.number:
                words = milliseconds(work.lasted)
                words = say("processing {time}", time=words) if room > 1.3 else words
                self.sheet.text(x, y, words, size=7.5, color=SERVER)

    def _rule(self, y: float) -> None:
        self.sheet.line([(0.16, y), (WIDTH_IN - 0.16, y)], color=REST, weight=0.8, dashes=(1.5, 2.5))

    def _elided(self, hidden: int, y: float) -> None:
        self.sheet.text(0.3, y, "⋮", face="bold", size=9, across="center")
        middle = (self.at[0] + self.at[-1]) / 2
        self.sheet.box(self.at[0] - 0.2, y - 0.1, self.at[-1] - self.at[0] + 0.4, 0.2, edge="none", weight=0)
        words = say_many("{count} more arrow", "{count} more arrows", hidden)
        self.sheet.text(middle, y, f"⋮  {words}  ⋮", size=8.5, color=REST, across="center")

    def _imagined(self) -> None:
        if not self.overlay.imagined:
            return
        title = say("Foreseen, but not in the recording:")
        self.sheet.text(0.16, self.imagined, title, face="bold", size=8.5, color=REST, paper=True)
        for index, (source, target, words) in enumerate(self.overlay.imagined):
            y = self.imagined + 0.02 + LINE * (index + 1)
            start, end = self.at[self.scene.place(source)], self.at[self.scene.place(target)]
            if start != end:
                self.sheet.arrow(start, end, y, color=REST, weight=1.4, dashes=(4, 3), open=True)
            self._label(Label("", escape(words)), y, min(start, end), max(start, end), REST)
