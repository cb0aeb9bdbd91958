"""One frame byte by byte, or one HTTP message line by line, as text and as sentences; `bytesview_png` draws it.

Rules of this file: nothing that differs from run to run. A masking key stands as ``kk``, a masked byte as what it
means, addresses, dates, keys and versions as placeholders; the picture shows what was on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import later, say, say_many
from ..trace import FRAMES, Event, Kind
from .bytesview_png import png
from .labels import SPOKEN, is_text, sentence
from .octets import Part, is_compressed, is_lettered, letters, parts
from .sections import SHOWN, Section, sections
from .sections import heading as http_heading
from .theme import escape, fit, hexes, keep_direction, width

__all__ = ["narrate", "png", "text"]

PER_LINE, MOST = 16, 64  # bytes of a payload
HEX, LINE = 23, 76  # columns: eight bytes in hexadecimal; a line of a handshake
MASKED = later("On the wire each payload byte is XORed with a byte of the key: the picture shows this run's bytes.")
PACKED = later(
    "The payload is compressed (RSV1): its length and bytes depend on the compressor; the picture shows them."
)


def text(event: Event) -> str:
    """Return the bytes of `event`, each with its role."""
    return "\n".join(line.rstrip() for line in [heading(event), *_body(event)])


def narrate(event: Event) -> str:
    """Return the same in sentences, for screen readers."""
    if event.kind in SHOWN:
        sentences = [sentence for section in sections(event) for sentence in _sentences(section)]
    elif event.kind in FRAMES:
        sentences = [_sentence(part, event) for part in parts(event)]
    else:
        sentences = [say("In hexadecimal: {bytes}.", bytes=hexes(event.raw, MOST))] if event.raw else []
    return "\n".join([sentence(event) if event.kind is not Kind.END else f"{heading(event)}.", *sentences])


def heading(event: Event) -> str:
    """Return one line that says what the bytes are."""
    way = f"{escape(event.source)} → {escape(event.target)}"
    if event.kind in SHOWN:
        return f"{way}: {http_heading(event)}"
    if event.kind is Kind.INVALID:
        invalid = say_many("{count} byte that are not valid", "{count} bytes that are not valid", event.wire_bytes)
        return f"{way}: {invalid}: {escape(event.note)}"
    if event.kind not in FRAMES:
        what = "TCP end" if event.kind is Kind.END else event.kind.upper()
        return f"{way}: " + say("{what}, no bytes of WebSocket: nothing to show byte by byte", what=what)
    kind = event.kind.upper()
    if is_compressed(event):
        return f"{way}: " + say("{kind} frame, compressed", kind=kind)
    facts = say_many(
        "{kind} frame, {count} byte: header {header}, payload {payload}",
        "{kind} frame, {count} bytes: header {header}, payload {payload}",
        event.wire_bytes,
        kind=kind,
        header=event.wire_bytes - event.length,
        payload=event.length,
    )
    return f"{way}: {facts}"


def _body(event: Event) -> Iterator[str]:
    if event.kind in SHOWN:
        yield from _lines(event)
    elif event.kind is Kind.INVALID:
        yield from _dump(event.raw, 0, event.wire_bytes)
    for part in parts(event):
        yield from _part(part, event)
    if event.masked and event.length and not is_compressed(event):
        yield say(MASKED)
    if is_compressed(event):
        yield say(PACKED)


def _part(part: Part, event: Event) -> Iterator[str]:
    if is_compressed(event) and part.start > 1 and part.role == "length":
        return
    if is_compressed(event) and part.role == "payload":
        title = say_many("payload, decompressed: {count} byte", "payload, decompressed: {count} bytes", event.length)
        yield f"{'':9}  {title}"
        yield from _dump(event.payload, 0, event.length, is_text(event))
    elif part.role == "payload":
        yield f"{_offsets(part, event):>9}  {part.title}"
        yield from _dump(part.plain, part.start, part.size, is_lettered(part, event))
    elif is_compressed(event) and part.role == "second":
        yield f"{1:>9}  nn  {event.masked:d}nnn nnnn  MASK {event.masked:d} · {say('length')}"
    elif part.bits:
        yield f"{part.start:>9}  {part.wire.hex()}  {_bits(part)}  {part.title}"
    else:
        shown = "kk kk kk kk" if part.role == "key" else hexes(part.plain)
        yield f"{_offsets(part, event):>9}  {shown:<{HEX}}  {part.title}"


def _bits(part: Part) -> str:
    return f"{part.wire[0] >> 4:04b} {part.wire[0] & 15:04b}"


def _offsets(part: Part, event: Event) -> str:
    """Where the bytes stand; behind a compressed length nobody can say in advance."""
    if is_compressed(event) and part.start > 1:
        return ""
    return str(part.start) if part.size == 1 else f"{part.start}–{part.start + part.size - 1}"


def _dump(data: bytes, start: int, length: int, lettered: bool = False) -> Iterator[str]:
    """Lines of 16 bytes in hexadecimal, each with its characters beneath if it is text; of many bytes the first."""
    for offset in range(0, min(len(data), MOST), PER_LINE):
        row = data[offset : offset + PER_LINE]
        yield f"{start + offset:>9}  {hexes(row)}"
        under = ""
        for at, size, char in letters(data, offset, len(row)) if lettered else ():
            under += " " * (3 * (at - offset) - width(under)) + (char if width(char) < 3 * size else "·")
        if under.strip():
            yield keep_direction(" " * 11 + under)
    if length > MOST:
        yield f"{'':9}  … {say_many('{count} more byte', '{count} more bytes', length - MOST)}"


def _lines(event: Event) -> Iterator[str]:
    told = sections(event)
    for section in told:
        if section.title:
            yield section.title
        shown = [fit(line, LINE) for line, _ in section.lines]
        wide = max(width(line) for line in shown)
        for line, (_, meaning) in zip(shown, section.lines, strict=True):
            yield f"  {line}{' ' * (wide - width(line))}  {meaning}"


def _sentences(section: Section) -> list[str]:
    if section.title:
        return [f'{section.title.capitalize()}: "{"".join(line for line, _ in section.lines)}".']
    told = [(line.removesuffix(r"\r\n"), f" ({meaning})" if meaning else "") for line, meaning in section.lines]
    return [
        say('Line {number}: "{line}"{meaning}.', number=number, line=line, meaning=meaning)
        for number, (line, meaning) in enumerate(told, 1)
    ]


def _place(part: Part, event: Event) -> str:
    if not _offsets(part, event):
        return say("Then")
    if part.size == 1:
        return say("Byte {number}", number=part.start)
    return say("Bytes {first} to {last}", first=part.start, last=part.start + part.size - 1)


def _sentence(part: Part, event: Event) -> str:
    place = _place(part, event)
    if is_compressed(event) and part.role in ("second", "length"):
        length = f"MASK {event.masked:d}, {say('length')}" if part.bits else say("more of the length")
        return f"{place}: {length}."
    if part.bits:
        return say(
            "{place}, {byte} in hexadecimal, {bits} in bits: {meaning}.",
            place=place,
            byte=part.wire.hex(),
            bits=_bits(part),
            meaning=part.title.replace(" · ", ", "),
        )
    if part.role != "payload":
        return f"{place}: {part.title}."
    data, title = part.plain, part.title
    if is_compressed(event):
        data = event.payload
        title = say_many(
            "payload, compressed, {count} byte of content",
            "payload, compressed, {count} bytes of content",
            event.length,
        )
    quoted = is_text(event) or event.kind is Kind.CLOSE
    said = f'"{fit(escape(data[: 4 * SPOKEN].decode(errors="replace")), SPOKEN)}"' if quoted else hexes(data, 16)
    return f"{place}: {title}: {said}."
