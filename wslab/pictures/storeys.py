"""One message as a box of two storeys, header and body: an HTTP message, a frame, or the envelope inside a frame.

An event goes in, text, sentences and PNG come out.

Rules of this file: nothing that differs from run to run; of HTTP, placeholders stand for addresses, dates and keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import RecordingError, later, say, say_many
from ..trace import FRAMES, Event, Kind
from .labels import SPOKEN, is_text
from .octets import HTTP, is_compressed, lines, parts
from .strokes import heading, sheet_of
from .theme import CLIENT, PAPER, SERVER, STORE, WIDTH_IN, clusters, drawable, escape, fit, hexes, keep_direction, width

COLUMNS, LEAST = 80, 30  # columns of a line, and of the narrowest box
WORD = 24  # columns of a word that is not divided at the end of a row
MOST, PER_LINE = 12, 16  # lines of one field or body, and bytes on a line where it is no text
ROW, TOP, LEFT, PAD, LETTER = 0.215, 0.74, 0.16, 0.16, 9.0
NO_BODY = later("no body")


@dataclass(frozen=True, slots=True)
class Storeys:
    """What the box says: what it is and how large, and the fields or lines of its two storeys."""

    number: int
    heading: str
    facts: str
    header: tuple[str, ...]
    body: tuple[str, ...]

    @property
    def title(self) -> str:
        """What stands above the box."""
        return f"{self.heading}, {self.facts}"


def storeys(event: Event, number: int, *, envelope: bool = False) -> Storeys:
    """Return the two storeys of `event`, which is arrow `number`.

    Raises:
        RecordingError: If it has no header and body, or holds no envelope.
    """
    way = f"{escape(event.source)} → {escape(event.target)}: "
    if envelope:
        return _envelope(event, number, way)
    if event.kind in HTTP:
        first, *fields, _ = [escape(line) for line, _ in lines(event)]
        header = (first or escape(event.headline), *fields)
        return Storeys(number, f"{way}HTTP {event.kind}", _size(event), header, tuple(_body(event)))
    if event.kind in FRAMES:
        what = say("{kind} frame", kind=event.kind.upper())
        return Storeys(number, way + what, _size(event), tuple(_header(event)), tuple(_body(event)))
    raise RecordingError(
        say("arrow {number} has no header and body: it is neither an HTTP message nor a frame", number=number)
    )


def text(told: Storeys) -> str:
    """Return the box as text."""
    header = [row for line in told.header for row in _wrapped(line, "- ")]
    body = [row for line in told.body for row in _wrapped(line, "")]
    storeys = [[say("Header"), *header], [say("Body"), *body]]
    wide = max([LEAST, *(width(row) + 4 for rows in storeys for row in rows)])
    rule = "─" * wide
    drawn = [told.title, f"┌{rule}┐"]
    for index, rows in enumerate(storeys):
        drawn += [f"├{rule}┤"] * index
        drawn += [f"│  {keep_direction(row)}{' ' * (wide - 2 - width(row))}│" for row in rows]
    return "\n".join([*drawn, f"└{rule}┘"])


def narrate(told: Storeys) -> str:
    """Return the box in sentences."""
    header, body = ("; ".join(fit(line, SPOKEN) for line in lines[:MOST]) for lines in (told.header, told.body))
    return "\n".join([f"{told.title}.", say("Header: {lines}.", lines=header), say("Body: {lines}.", lines=body)])


def png(told: Storeys, *, up: bool) -> bytes:
    """Return the box as an opaque PNG, 7.2 inches wide; `up`: its client sent it."""
    storeys = [
        (say("Header"), told.header, CLIENT if up else SERVER, "#eaf3fa" if up else "#fdf1ea"),
        (say("Body"), told.body, STORE, PAPER),
    ]
    drawn = [
        (title, [row for line in lines for row in _wrapped(drawable(line), "")], ink, fill)
        for title, lines, ink, fill in storeys
    ]
    sheet = sheet_of(TOP + sum(ROW * (len(rows) + 1) + PAD for _, rows, _, _ in drawn) + 0.14)
    heading(sheet, told.title, say("arrow {number} of the recording", number=told.number))
    y = TOP
    for title, rows, ink, fill in drawn:
        high = ROW * (len(rows) + 1) + PAD
        sheet.box(LEFT, y, WIDTH_IN - 2 * LEFT, high, edge=ink, fill=fill, weight=1.7)
        sheet.text(LEFT + 0.14, y + (PAD + ROW) / 2, title, face="bold", size=10.5, color=ink)
        for index, row in enumerate(rows, 1):
            sheet.text(LEFT + 0.14, y + PAD / 2 + ROW * (index + 0.5), row, face="mono", size=LETTER)
        y += high
    return sheet.png()


def _wrapped(line: str, mark: str) -> list[str]:
    """Return `line` behind `mark` in rows of `COLUMNS` columns, of very many the first."""
    rows, row, used = [], mark, width(mark)
    for cluster, columns in clusters(line):
        if used + columns > COLUMNS:
            rest = row[row.rfind(" ") + 1 :]  # the word goes on in the next row, if it is not a long one
            rest = rest if width(rest) <= WORD else ""
            rows.append(row.removesuffix(rest))
            row = " " * width(mark) + rest
            used = width(row)
        row += cluster
        used += columns
    return _some([*rows, row])


def _size(event: Event) -> str:
    if not event.length:
        return say(NO_BODY)
    if is_compressed(event):
        return say("the body is compressed")
    if event.kind in HTTP:
        return say_many("body: {count} byte", "body: {count} bytes", event.length)
    return say_many(
        "{header} bytes of header, {count} byte of body",
        "{header} bytes of header, {count} bytes of body",
        event.length,
        header=event.wire_bytes - event.length,
    )


def _header(event: Event) -> Iterator[str]:
    """The fields of a frame's header (RFC 6455 5.2)."""
    yield say("FIN 1: the last fragment, or the only one") if event.fin else say("FIN 0: more fragments follow")
    if is_compressed(event):
        yield say("RSV1 1: compressed")
    yield f"opcode {event.kind.upper()}"
    yield say("MASK 1: masked with 4 random bytes") if event.masked else say("MASK 0: not masked")
    yield (
        say("length: depends on the compressor")
        if is_compressed(event)
        else say("length {length}", length=event.length)
    )


def _body(event: Event) -> Iterator[str]:
    if not event.length:
        yield say(NO_BODY)
    elif event.kind is Kind.CLOSE:
        yield from (part.title for part in parts(event) if part.role == "code")
        if event.note:
            yield say("reason: {reason}", reason=escape(event.note))
    elif is_text(event):
        yield from _some([escape(line.removesuffix("\r")) for line in event.text.removesuffix("\n").split("\n")])
    else:
        data = event.payload
        yield from _some([hexes(data[at : at + PER_LINE]) for at in range(0, len(data), PER_LINE)])


def _some(rows: list[str]) -> list[str]:
    """The first rows, and how many there are more."""
    left = len(rows) - MOST
    return rows if left <= 0 else [*rows[:MOST], say_many("… {count} more line", "… {count} more lines", left)]


def _envelope(event: Event, number: int, way: str) -> Storeys:
    try:
        message = json.loads(event.payload) if event.fin and event.length == len(event.payload) else None
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise RecordingError(say("arrow {number} is no envelope: what it carries is not a JSON object", number=number))
    body = message.pop("body", None)
    header = tuple(f"{escape(str(key))}: {_json(value)}" for key, value in message.items())
    if body is None:
        told = [say(NO_BODY)]
    elif isinstance(body, dict) and body:
        told = [f"{escape(str(key))}: {_json(value)}" for key, value in body.items()]
    else:
        told = [_json(body)]
    what = say("envelope in a {kind} message", kind=event.kind.upper())
    facts = say_many("{count} byte of payload", "{count} bytes of payload", event.length)
    return Storeys(number, way + what, facts, header or (say("no header"),), tuple(_some(told)))


def _json(value: object) -> str:
    return escape(json.dumps(value, ensure_ascii=False))
