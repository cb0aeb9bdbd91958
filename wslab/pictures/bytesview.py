"""One frame byte by byte, or one handshake line by line, as text and as sentences; `bytesview_png` draws it.

Rules of this file: nothing that differs from run to run. A masking key stands as ``kk``, a masked byte as what it
means, addresses, dates, keys and versions as placeholders; the picture shows what was on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..trace import FRAMES, Event, Kind
from .bytesview_png import png
from .labels import SPOKEN, is_text, sentence
from .octets import HTTP, Part, is_compressed, is_lettered, letters, lines, parts
from .theme import count, escape, fit, hexes, keep_direction, width

__all__ = ["narrate", "png", "text"]

PER_LINE, MOST = 16, 64  # bytes of a payload
HEX, LINE = 23, 76  # columns: eight bytes in hexadecimal; a line of a handshake
MASKED = "On the wire each payload byte is XORed with a byte of the key: the picture shows this run's bytes."
PACKED = "The payload is compressed (RSV1): its length and bytes depend on the compressor; the picture shows them."
NO_BYTES = "no bytes of WebSocket: nothing to show byte by byte"


def text(event: Event) -> str:
    """Return the bytes of `event`, each with its role."""
    return "\n".join(line.rstrip() for line in [heading(event), *_body(event)])


def narrate(event: Event) -> str:
    """Return the same in sentences, for screen readers."""
    if event.kind in HTTP:
        told = [(escape(line), f" ({meaning})" if meaning else "") for line, meaning in lines(event)]
        sentences = [f'Line {n}: "{line}"{meaning}.' for n, (line, meaning) in enumerate(told, 1)]
    elif event.kind in FRAMES:
        sentences = [_sentence(part, event) for part in parts(event)]
    else:
        sentences = [f"In hexadecimal: {hexes(event.raw, MOST)}."] if event.raw else []
    return "\n".join([sentence(event) if event.kind is not Kind.END else f"{heading(event)}.", *sentences])


def heading(event: Event) -> str:
    """Return one line that says what the bytes are."""
    way = f"{escape(event.source)} → {escape(event.target)}"
    if event.kind in HTTP:
        return f"{way}: HTTP {event.kind}, {count(len(event.headers), 'header')}"
    if event.kind is Kind.INVALID:
        return f"{way}: {count(event.wire_bytes, 'byte')} that are not valid: {escape(event.note)}"
    if event.kind not in FRAMES:
        return f"{way}: {'TCP end' if event.kind is Kind.END else event.kind.upper()}, {NO_BYTES}"
    name = f"{way}: {event.kind.upper()} frame"
    if is_compressed(event):
        return f"{name}, compressed"
    header = event.wire_bytes - event.length
    return f"{name}, {count(event.wire_bytes, 'byte')}: header {header}, payload {event.length}"


def _body(event: Event) -> Iterator[str]:
    if event.kind in HTTP:
        yield from _head(event)
    elif event.kind is Kind.INVALID:
        yield from _dump(event.raw, 0, event.wire_bytes)
    for part in parts(event):
        yield from _part(part, event)
    if event.masked and event.length and not is_compressed(event):
        yield MASKED
    if is_compressed(event):
        yield PACKED


def _part(part: Part, event: Event) -> Iterator[str]:
    if is_compressed(event) and part.start > 1 and part.role == "length":
        return
    if is_compressed(event) and part.role == "payload":
        yield f"{'':9}  payload, decompressed: {count(event.length, 'byte')}"
        yield from _dump(event.payload, 0, event.length, is_text(event))
    elif part.role == "payload":
        yield f"{_offsets(part, event):>9}  {part.title}"
        yield from _dump(part.plain, part.start, part.size, is_lettered(part, event))
    elif is_compressed(event) and part.role == "second":
        yield f"{1:>9}  nn  {event.masked:d}nnn nnnn  MASK {event.masked:d} · length"
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
        yield f"{'':9}  … {count(length - MOST, 'more byte')}"


def _head(event: Event) -> Iterator[str]:
    told = [(fit(escape(line), LINE - 4) + r"\r\n", meaning) for line, meaning in lines(event)]
    wide = max(width(line) for line, _ in told)
    for line, meaning in told:
        yield f"  {line}{' ' * (wide - width(line))}  {meaning}"
    if event.length:
        yield f"  {fit(escape(event.text), LINE)}"


def _sentence(part: Part, event: Event) -> str:
    offsets = _offsets(part, event).replace("–", " to ")
    place = "Then" if not offsets else f"Byte {offsets}" if part.size == 1 else f"Bytes {offsets}"
    if is_compressed(event) and part.role in ("second", "length"):
        return f"{place}: {f'MASK {event.masked:d}, length' if part.bits else 'more of the length'}."
    if part.bits:
        return f"{place}, {part.wire.hex()} in hexadecimal, {_bits(part)} in bits: {part.title.replace(' · ', ', ')}."
    if part.role != "payload":
        return f"{place}: {part.title}."
    data, title = part.plain, part.title
    if is_compressed(event):
        data, title = event.payload, f"payload, compressed, {count(event.length, 'byte')} of content"
    quoted = is_text(event) or event.kind is Kind.CLOSE
    said = f'"{fit(escape(data[: 4 * SPOKEN].decode(errors="replace")), SPOKEN)}"' if quoted else hexes(data, 16)
    return f"{place}: {title}: {said}."
