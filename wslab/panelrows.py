"""Event in, plain data out: a row of the live panel, and the parts of one event byte by byte.

Rules of this file: pure functions. What differs from run to run (times, masking keys, bytes on the wire) is shown: the
panel is of this run only.
"""

from __future__ import annotations

from .errors import say
from .pictures.bytesview import heading
from .pictures.labels import label
from .pictures.octets import is_compressed, is_lettered, letters, parts
from .pictures.sections import SHOWN, sections
from .pictures.theme import escape, hexes
from .trace import BESIDE, DATA, FRAMES, SUBJECTS, Event, Kind

COLUMNS = 160  # of a row's content
MOST = 48  # bytes of one part
GROUPS = {
    **dict.fromkeys(DATA, "message"),
    **dict.fromkeys(FRAMES - DATA, "control"),
    **dict.fromkeys((Kind.REQUEST, Kind.RESPONSE, Kind.BODY), "http"),
    **dict.fromkeys((Kind.END, Kind.INVALID), "end"),
    **dict.fromkeys(BESIDE | SUBJECTS, "beside"),
}


def row(number: int, event: Event, seconds: float) -> dict[str, object]:
    """The row of `event`, which was seen as `number`, `seconds` after the panel was opened."""
    kind = event.kind.upper()
    content = label(event).fit(COLUMNS).removeprefix(kind).strip()
    if event.kind is Kind.END:
        content = f"TCP {escape(event.note)}"
    return {
        "id": number,
        "group": GROUPS[event.kind],
        "up": event.up,
        "time": f"{seconds:.3f}",
        "who": escape(event.connection),
        "way": f"{escape(event.source)} → {escape(event.target)}",
        "kind": kind,
        "bits": _bits(event),
        "bytes": f"{event.length if event.kind in FRAMES else event.wire_bytes or event.length or ''}",
        "content": f"{content} {say('(lost)')}" if event.lost else content,
    }


def details(event: Event) -> dict[str, object]:
    """What `event` is made of: a title, and parts of where they stand, what is on the wire, and what that means."""
    if event.kind in SHOWN:
        found = [("", line, meaning) for section in sections(event, varying=True) for line, meaning in section.lines]
    elif event.kind in FRAMES:
        found = []
        for part in parts(event):
            last = part.start + part.size - 1
            place = f"{part.start}" if part.size == 1 else f"{part.start}–{last}"
            meaning = part.title
            if is_lettered(part, event):
                more = " …" if len(part.plain) > MOST else ""
                meaning += f': "{"".join(char for *_, char in letters(part.plain, 0, MOST))}"{more}'
            elif event.masked and part.role == "payload" and not is_compressed(event):
                meaning += ": " + hexes(part.plain, MOST)
            found.append((place, hexes(part.wire, MOST), meaning))
    else:
        found = [("", hexes(event.raw, MOST), escape(event.note))] if event.raw else []
    return {"title": heading(event), "parts": found}


def _bits(event: Event) -> str:
    """What the first two bytes of a frame say beside opcode and length (RFC 6455 5.2)."""
    if event.kind not in FRAMES:
        return ""
    reserved = [f"RSV{bit}" for bit in (1, 2, 3) if event.rsv & 0b1000 >> bit]
    return " ".join(["FIN"] * event.fin + reserved + ["MASK"] * event.masked)
