"""The sequence diagram of a recording, as text.

A trace goes in, complete Unicode text comes out: lanes, numbered arrows, what a server is at work on, and which order
is real. `narration` and `sequence_png` hold its two other forms, `Overlay` what a check or a prediction lays over it.

Rules of this file: pure functions, and nothing that differs from run to run: no times, ports, keys or chunk counts.
"""

from __future__ import annotations

from ..errors import say, say_many
from ..trace import Trace
from .labels import Label, size
from .layout import EMPTY, ENDS, FEW, FORESEEN, IMAGINED, WIDEST, captions, counts, shorten, shown, spread
from .narration import finding, narrate
from .observed import observed_png
from .scene import NOTHING, Arrow, Overlay, Scene, scene
from .sequence_png import png
from .theme import clusters, escape, fit, keep_direction, width

__all__ = ["Overlay", "finding", "narrate", "observed_png", "png", "text"]

COLUMNS = 110
LEAST = 8  # columns between two lanes
NAME = 24


def text(trace: Trace, *, title: str = "", show_pings: bool = False, overlay: Overlay = NOTHING) -> str:
    """Return the sequence diagram of `trace` as text, at most about 110 columns wide with up to 13 lanes."""
    drawn = scene(trace, show_pings=show_pings, imagined=overlay.imagined)
    lines = [escape(title)] if title else []
    lines.append(counts(drawn))
    if not drawn.lanes:
        return "\n".join([*lines, say(EMPTY)])
    page = _Page(drawn, overlay)
    lines += page.lines()
    lines += [" " + caption for caption in captions(drawn)]
    if overlay.foreseen or overlay.unforeseen:
        lines.append(" " + say(FORESEEN))
    return "\n".join(lines)


class _Page:
    """Where the lanes of one diagram stand, and its lines."""

    def __init__(self, drawn: Scene, overlay: Overlay) -> None:
        self.scene, self.overlay = drawn, overlay
        self.names = [fit(escape(lane.name), NAME) for lane in drawn.lanes]
        self.slots = [max(1, drawn.slots(lane)) for lane in range(len(self.names))]
        self.rows = shown(drawn, overlay)
        self.digits = max(2, len(str(len(drawn.arrows))))
        first = self.digits + 4 + (width(self.names[0]) - 1) // 2
        last = len(self.names) - 1
        tail = max((width(_note(row)) for row in self.rows if isinstance(row, Arrow) and row.right == last), default=0)
        columns = spread(self._needs(), last, least=LEAST, total=COLUMNS - first - last - self.slots[-1] - tail)
        self.at = [first]
        for gap in columns:
            self.at.append(self.at[-1] + gap + 1)
        if len(self.names) > FEW:  # each name stays clear of its neighbours'
            gaps = [COLUMNS, *columns, COLUMNS]
            self.names = [shorten(name, min(gaps[i : i + 2])) for i, name in enumerate(self.names)]

    def lines(self) -> list[str]:
        """Header, arrows, and what was imagined."""
        lines, step = [self._header()], None
        for row in self.rows:
            if isinstance(row, int):
                lines.append(self._elided(row))
                continue
            if step is not None and row.event.step != step:
                lines.append(self._rule(row.number))
            step = row.event.step
            lines.append(self._arrow(row))
        if self.overlay.imagined:
            lines.append(" " * (self.digits + 4) + say(IMAGINED))
            for source, target, label in self.overlay.imagined:
                cells = self._lanes()
                self._draw(cells, self.scene.place(source), self.scene.place(target), Label("", escape(label)), "┄")
                lines.append(_line(cells))
        return lines

    def _needs(self) -> list[tuple[int, int, int]]:
        """How many columns lie at least between two lanes, for each name, label and note; beyond the last lane too."""
        last = len(self.names) - 1
        needs = []
        for left in range(last):
            names = width(self.names[left]) // 2 + (width(self.names[left + 1]) - 1) // 2
            needs.append((left, left + 1, names + 2))
        for row in self.rows:
            if isinstance(row, Arrow):
                inner = min(row.label.width, WIDEST) + ENDS + self.slots[row.left] - 1
                needs.append((row.left, row.right, inner))
                if row.right < last:
                    needs.append((row.right, row.right + 1, self.slots[row.right] + width(_note(row)) + 1))
        for source, target, label in self.overlay.imagined:
            left, right = sorted((self.scene.place(source), self.scene.place(target)))
            needs.append((left, right, min(width(escape(label)), WIDEST) + ENDS))
        return [need for need in needs if need[0] < need[1]]

    def _header(self) -> str:
        cells: list[str] = []
        for at, name in zip(self.at, self.names, strict=True):
            _put(cells, at - (width(name) - 1) // 2, name)
        return _line(cells)

    def _lanes(self, number: int = 0) -> list[str]:
        cells: list[str] = []
        for lane, at in enumerate(self.at):
            _put(cells, at, "│")
            for work in self.scene.working(lane, number):
                _put(cells, at + work.slot, "┨" if work.until == number else "┃")
        return cells

    def _rule(self, number: int) -> str:
        cells: list[str] = []
        _put(cells, self.digits + 2, "╌" * (self.at[-1] - self.digits + 1))
        for at, glyph in enumerate(self._lanes(number)):
            if glyph != " ":
                cells[at] = glyph
        return _line(cells)

    def _elided(self, hidden: int) -> str:
        cells: list[str] = []
        _put(cells, self.digits - 1, "⋮")
        for at in self.at:
            _put(cells, at, "⋮")
        _put(cells, self.at[0] + 2, f" {say_many('{count} more arrow', '{count} more arrows', hidden)} ")
        return _line(cells)

    def _arrow(self, arrow: Arrow) -> str:
        number, overlay = arrow.number, self.overlay
        flag = "!" if number in overlay.unforeseen else "✓" if number in overlay.foreseen else " "
        cells = self._lanes(number)
        _put(cells, 0, f"{number:>{self.digits}} {'┊' if arrow.free else ' '}{flag}")
        self._draw(
            cells,
            arrow.source,
            arrow.target,
            arrow.label,
            "─",
            number=number,
            head="✕" if arrow.event.lost or arrow.cut else "",
            tail="✕" if arrow.cut else "",
        )
        _put(cells, self.at[arrow.right] + self.slots[arrow.right] + 1, _note(arrow))
        return _line(cells) + (f"  ◀── {say('here')}" if number == overlay.marked else "")

    def _busy(self, lane: int, number: int) -> int:
        """How many columns the work on `lane` takes to the right of its line."""
        return max((work.slot for work in self.scene.working(lane, number)), default=0)

    def _draw(
        self,
        cells: list[str],
        source: int,
        target: int,
        label: Label,
        dash: str,
        *,
        number: int = 0,
        head: str = "",
        tail: str = "",
    ) -> None:
        """Put an arrow with its label between two lanes; `head` and `tail` replace its ends."""
        left, right = min(source, target), max(source, target)
        start = self.at[left] + self._busy(left, number) + 1
        room = self.at[right] - start
        short = room // 6 if head and not tail else 0  # what is lost does not arrive
        words = label.fit(max(room - short - ENDS, 1))
        rest = dash * (room - short - width(words) - ENDS + 1)
        words = keep_direction(words)
        if source == target:
            line = f"↩ {label.fit(WIDEST)}"
        elif source < target:
            line = f"{tail or dash}{dash} {words} {rest}{head or '▶'}"
        else:
            start += short
            line = f"{head or '◀'}{rest} {words} {dash}{tail or dash}"
        position = start
        for cluster, columns in clusters(line):
            crossed = cluster == dash and position in self.at
            _put(cells, position, "┼" if crossed else cluster)
            position += columns


def _note(arrow: Arrow) -> str:
    return "   ".join(part for part in (size(arrow.event), say("push") if arrow.push else "") if part)


def _put(cells: list[str], at: int, line: str) -> None:
    """Write `line` from column `at` on; a cell after a wide letter is empty."""
    for cluster, columns in clusters(line):
        cells.extend(" " * (at + max(columns, 1) - len(cells)))
        cells[at : at + columns] = [cluster] + [""] * (columns - 1)
        at += columns


def _line(cells: list[str]) -> str:
    return "".join(cells).rstrip()
