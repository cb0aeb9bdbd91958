"""One frame byte by byte, or one handshake line by line, as a picture: the true bytes of this run.

Rules of this file: every byte is a box with its number, its role has a colour and a bracket with a name; only a port is
left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import say, say_many
from ..trace import FRAMES, Event, Kind
from . import sections_png
from .labels import is_text
from .octets import Part, is_compressed, is_lettered, letters, parts
from .sections import SHOWN
from .strokes import sheet_of
from .theme import CLIENT, INK, MONO_EM, RELAY, REST, SERVER, STORE, WIDTH_IN, drawable, escape, fit, measure

# Role: ink, tint, edge of its boxes.
ROLES = {
    "first": (SERVER, "#f9e9dc", "#efcdb2"),
    "second": (CLIENT, "#dfecf6", "#b5d3e8"),
    "length": (CLIENT, "#dfecf6", "#b5d3e8"),
    "key": (RELAY, "#ede8f4", "#d3c6e6"),
    "code": (INK, "#e6e8ec", "#c6cad2"),
    "payload": (STORE, "#def2ea", "#b1dfcd"),
}
PER_LINE, MOST = 14, 56  # boxes
BOX, GAP, HIGH = 0.465, 0.02, 0.42  # inches
LEFT = 0.345
BIT = 0.14
LETTER = 8.3


@dataclass(frozen=True, slots=True)
class _Octet:
    part: Part
    at: int

    @property
    def number(self) -> int:
        return self.part.start + self.at


def png(event: Event) -> bytes:
    """Return the bytes of `event` as an opaque PNG, 7.2 inches wide."""
    if event.kind in SHOWN:
        return sections_png.png(event)
    if event.kind in FRAMES and (found := parts(event)):
        return _Frame(event, found).draw()
    return _draw_raw(event)


class _Frame:
    """The boxes of one frame, line by line."""

    def __init__(self, event: Event, found: list[Part]) -> None:
        self.event, self.parts = event, found
        octets = [_Octet(part, at) for part in found for at in range(len(part.wire[:MOST]))]
        self.hidden = event.wire_bytes - min(len(octets), MOST)
        self.lines = [octets[i : min(i + PER_LINE, MOST)] for i in range(0, min(len(octets), MOST), PER_LINE)]
        self.tops = [0.86]
        for line in self.lines:
            named = any(octet.at == 0 and not octet.part.bits for octet in line)
            room = 1.78 if line is self.lines[0] else 1.08 if named else 0.66
            self.tops.append(self.tops[-1] + HIGH + room)
        last = self.tops.pop() - (0.3 if len(self.lines) == 1 else 0.08)
        self.sheet = sheet_of(last + (0.25 if self.hidden else 0.1))
        self.bottom = last

    def draw(self) -> bytes:
        self._head()
        for line, top in zip(self.lines, self.tops, strict=True):
            for column, octet in enumerate(line):
                self._box(octet, LEFT + column * BOX, top)
            self._letters(line, top + HIGH + 0.17)
            self._brackets(line, top + HIGH + 0.32)
        self._bits(self.tops[0] + HIGH)
        if self.hidden:
            rest = say_many("{count} more byte", "{count} more bytes", self.hidden)
            self.sheet.text(LEFT, self.bottom, f"… {rest}", size=8.5, color=REST)
        self.sheet.text(WIDTH_IN - 0.16, self.bottom, "RFC 6455 5.2", size=7.5, color=REST, across="right")
        return self.sheet.png()

    def _head(self) -> None:
        event = self.event
        header = next((part.start for part in self.parts if part.role in ("code", "payload")), event.wire_bytes)
        lettered = is_text(event) and event.kind is not Kind.CLOSE
        size = event.wire_bytes - header
        headers = say_many("{count} header byte", "{count} header bytes", header)
        if not size:
            carried = say("{headers}, no payload", headers=headers)
        elif lettered:
            carried = say_many(
                "{headers} carry {count} byte of text", "{headers} carry {count} bytes of text", size, headers=headers
            )
        else:
            carried = say_many(
                "{headers} carry {count} byte of payload",
                "{headers} carry {count} bytes of payload",
                size,
                headers=headers,
            )
        title = f"{_way(event)}: {carried}"
        facts = [event.kind.upper(), "FIN" if event.fin else say("more fragments follow")]
        facts += [say("masked") if event.masked else say("not masked"), say("length {size}", size=size)]
        words = " · ".join(facts)
        if is_compressed(event):
            words += " " * 8 + say_many(
                "compressed (RSV1): {count} byte of content",
                "compressed (RSV1): {count} bytes of content",
                event.length,
            )
        elif event.masked and size:
            words += " " * 8 + say("the payload is XORed with the key, byte by byte: not encryption")
        title = fit(title, 80)
        self.sheet.text(0.16, 0.22, title, face="bold", size=min(13.0, 13.0 * 6.9 / measure(title, "bold", 13.0)))
        self.sheet.text(0.16, 0.48, words, size=9, color=REST)

    def _box(self, octet: _Octet, x: float, top: float) -> None:
        _, tint, edge = ROLES[octet.part.role]
        self.sheet.text(x + BOX / 2, top - 0.1, str(octet.number), size=7, color=REST, across="center")
        self.sheet.box(x + GAP / 2, top, BOX - GAP, HIGH, edge=edge, fill=tint, weight=1.2)
        byte = octet.part.wire[octet.at]
        self.sheet.text(x + BOX / 2, top + HIGH / 2, f"{byte:02x}", face="mono", size=12.5, across="center")

    def _letters(self, line: list[_Octet], y: float) -> None:
        """Under each payload byte what it means: characters of a text, the unmasked byte otherwise."""
        for column, octet in enumerate(line):
            part = octet.part
            if part.role == "code" or (
                part.role == "payload" and part.wire != part.plain and not is_lettered(part, self.event)
            ):
                self._beneath(LEFT + (column + 0.5) * BOX, y, f"{part.plain[octet.at]:02x}", part.role)
        for column, size, char in self._says(line):
            self._beneath(LEFT + (column + size / 2) * BOX, y, char, "payload", size)

    def _says(self, line: list[_Octet]) -> list[tuple[int, int, str]]:
        """The characters that begin in a line: column, columns, character."""
        payload = [(column, octet) for column, octet in enumerate(line) if octet.part.role == "payload"]
        if not payload:
            return []
        column, octet = payload[0]
        found = letters(octet.part.plain, octet.at, len(payload)) if is_lettered(octet.part, self.event) else ()
        return [(column + at - octet.at, size, char) for at, size, char in found]

    def _beneath(self, x: float, y: float, words: str, role: str, boxes: int = 1) -> None:
        drawn = drawable(words, "monobold")
        wide = MONO_EM * 11 / 72 * len(drawn)
        size = 11.0 if wide < BOX * boxes else 11.0 * BOX * boxes / wide * 0.95
        self.sheet.text(x, y, words, face="monobold", size=max(size, 5.0), color=ROLES[role][0], across="center")

    def _brackets(self, line: list[_Octet], y: float) -> None:
        for part in self.parts:
            columns = [column for column, octet in enumerate(line) if octet.part is part]
            if not columns or part.bits:
                continue
            left, right = LEFT + columns[0] * BOX + GAP / 2, LEFT + (columns[-1] + 1) * BOX - GAP / 2
            ink = ROLES[part.role][0]
            self.sheet.line(
                [(left, y - 0.05), (left, y + 0.03), (right, y + 0.03), (right, y - 0.05)], color=ink, weight=1.3
            )
            if line[columns[0]].at:
                continue  # it began on a line above
            detail = self._detail(part)
            wide = max(measure(part.name, "bold", 9), measure(detail, "mono", LETTER))
            # What is wider than its bracket may only grow to the right, where it is the last.
            x, across = ((left + right) / 2, "center") if wide < right - left else (left, "left")
            self.sheet.text(x, y + 0.16, part.name, face="bold", size=9, color=ink, across=across)
            self.sheet.text(x, y + 0.34, detail, face="mono", size=LETTER, across=across)

    def _detail(self, part: Part) -> str:
        if part.role == "payload":
            if is_lettered(part, self.event):
                said = drawable(part.plain[:120].decode(errors="replace"))
                return f'"{fit(said, 30)}"  {part.meaning}'
            return part.meaning
        if part.role == "key":
            return say("4 bytes, random")
        return str(int.from_bytes(part.wire if part.role == "length" else part.plain))  # or a close code

    def _bits(self, below: float) -> None:
        """The bits of the first two bytes, joined with their boxes."""
        y = below + 1.06
        for column, x in ((0, 0.17), (1, 3.0)):
            part = self.parts[column]
            ink = ROLES[part.role][0]
            start = LEFT + (column + 0.5) * BOX
            path = [(start, below + 0.02), (start, y)]
            if column:
                path = [(start, below + 0.02), (start, y - 0.12), (x + 0.1, y - 0.12), (x + 0.1, y)]
            self.sheet.line(path, color=ink, weight=0.8)
            for index, bit in enumerate(f"{part.wire[0]:08b}"):
                self.sheet.box(x + index * BIT, y, BIT, 0.2, edge=ink, weight=1.1)
                self.sheet.text(x + (index + 0.5) * BIT, y + 0.1, bit, face="mono", size=8, across="center")
            self.sheet.text(x, y + 0.31, part.meaning, size=7.8, color=ink)


def _draw_raw(event: Event) -> bytes:
    """Bytes that are no frame, 14 on a line; or only the words, where there are none."""
    shown = event.raw[:MOST]
    rows = -(-len(shown) // PER_LINE)
    sheet = sheet_of(0.9 + rows * (HIGH + 0.25) + (0.2 if event.wire_bytes > len(shown) else 0.0))
    what = say("no bytes of WebSocket")
    if shown:
        what = say_many("{count} byte that are not valid", "{count} bytes that are not valid", event.wire_bytes)
    sheet.text(0.16, 0.22, fit(f"{_way(event)}: {what}", 80), face="bold", size=13)
    sheet.text(0.16, 0.48, fit(drawable(event.note or event.kind, "sans"), 100), size=9, color=REST)
    for index, byte in enumerate(shown):
        x, y = LEFT + index % PER_LINE * BOX, 0.86 + index // PER_LINE * (HIGH + 0.25)
        sheet.text(x + BOX / 2, y - 0.1, str(index), size=7, color=REST, across="center")
        sheet.box(x + GAP / 2, y, BOX - GAP, HIGH, edge=REST, weight=1.2)
        sheet.text(x + BOX / 2, y + HIGH / 2, f"{byte:02x}", face="mono", size=12.5, across="center")
    if event.wire_bytes > len(shown):
        rest = say_many("{count} more byte", "{count} more bytes", event.wire_bytes - len(shown))
        sheet.text(LEFT, 0.86 + rows * (HIGH + 0.25), f"… {rest}", size=8.5, color=REST)
    return sheet.png()


def _way(event: Event) -> str:
    return say("{source} to {target}", source=escape(event.source), target=escape(event.target))
