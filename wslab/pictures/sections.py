"""One HTTP event in, its header and its body apart out: lines, each with what it is for.

Rules of this file: pure functions; `octets.lines` says which header lines differ from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..backplane import INBOX
from ..errors import later, say, say_many
from ..trace import SUBJECTS, Event, Kind
from .labels import is_text
from .octets import HTTP, lines
from .theme import escape, fit, hexes

SHOWN = HTTP | SUBJECTS | {Kind.BODY}
WIDE, MOST = 72, 12  # columns and lines of a body
LINES = {
    Kind.PUBLISH: later("under which subject, and how many bytes follow"),
    Kind.DELIVER: later("subject, number of the subscription, and how many bytes follow"),
}


@dataclass(frozen=True, slots=True)
class Section:
    """Lines that belong together: of the head, of what frames a chunk, or of the body, which alone has a title."""

    lines: list[tuple[str, str]]
    title: str = ""


def sections(event: Event, *, varying: bool = False) -> list[Section]:
    """Return the sections of a request, an answer or a part of a body, in the order of their bytes."""
    body = [Section(_body(event), _size(event))] if event.length else []
    if event.kind in SUBJECTS:
        return [Section(_subject_lines(event, varying)), *body]
    if event.kind in HTTP:
        return [Section([(line + r"\r\n", why) for line, why in lines(event, varying=varying)]), *body]
    if event.wire_bytes == event.length:  # its length was told in the head, or it ends with the connection
        return body
    if event.length:
        size = event.raw.partition(b"\r\n")[0].decode("iso-8859-1")
        ended = event.raw.endswith(b"\r\n") or event.wire_bytes > len(event.raw)
        end = [Section([(r"\r\n", say("the chunk ends"))])] if ended else []
        return [Section([(escape(size) + r"\r\n", say("bytes in this chunk, in hexadecimal"))]), *body, *end]
    found = [escape(line) + r"\r\n" for line in event.raw.decode("iso-8859-1").split("\r\n")[:-1]]
    why = [say("no bytes: the last chunk"), *[""] * (len(found) - 2), say("an empty line ends the body")]
    return [Section(list(zip(found, why, strict=True)))]


def heading(event: Event) -> str:
    """Return what kind of HTTP it is, or of the backplane's protocol, in a few words."""
    if event.kind in SUBJECTS:
        operation = event.headline.partition(" ")[0]
        return say_many("NATS {name}, {count} byte", "NATS {name}, {count} bytes", event.wire_bytes, name=operation)
    if event.kind is Kind.BODY:
        return say("part of an HTTP body, {media}", media=escape(event.headline) or say("of no type"))
    headers = say_many("{count} header", "{count} headers", len(event.headers))
    return f"HTTP {event.kind}, {headers}"


def _size(event: Event) -> str:
    return say_many("body, {count} byte", "body, {count} bytes", event.length)


def _subject_lines(event: Event, varying: bool) -> list[tuple[str, str]]:
    """The line of the protocol, and headers where the message has some; the name of an inbox is random."""
    head = event.raw.decode("utf-8", "replace").split("\r\n")
    told = head[: 1 + len(event.headers) + 2 if event.headers else 1]
    found = [escape(line if varying else INBOX.sub("_INBOX.…", line)) + r"\r\n" for line in told]
    return [(found[0], say(LINES[event.kind]) if event.kind in LINES else ""), *((line, "") for line in found[1:])]


def _body(event: Event) -> list[tuple[str, str]]:
    """The body line by line, as text if it is text; of a long one the beginning."""
    if not is_text(event):
        return [(hexes(event.payload, 24), "")]
    text = event.text[: 2 * WIDE * MOST]
    found = []
    for line in text.splitlines(keepends=True):
        escaped = escape(line)
        found += [escaped[at : at + WIDE] for at in range(0, len(escaped), WIDE)]
    cut = len(found) > MOST or len(text) < len(event.text)
    return [(fit(line, WIDE), "") for line in found[:MOST]] + ([("…", "")] if cut else [])
