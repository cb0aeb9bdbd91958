"""Event in, words out: what stands on an arrow, and what a screen reader says of it.

Rules of this file: pure functions; the same event gives the same words in every run, so no times, ports, keys or masks.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..trace import DATA, Event, Kind
from .theme import count, escape, fit, hexes, width

NO_CODE = 1005  # "no status code was actually present" (RFC 6455 7.4.1): never on the wire
SPOKEN = 80  # columns of a payload that a sentence quotes
ENOUGH = 1 << 10  # characters of a payload that are looked at: more never fits on an arrow


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on an arrow: `body` is what may be cut."""

    head: str
    body: str = ""
    tail: str = ""
    quoted: bool = False

    def fit(self, columns: int) -> str:
        """Return the label in at most `columns` columns, cut inside its body if it can be."""
        mark = '"' if self.quoted else ""
        before, after = f"{self.head} {mark}".lstrip() if self.body or mark else self.head, mark + self.tail
        room = columns - width(before) - width(after)
        if room >= 1:
            return before + fit(self.body, room) + after
        return fit(before + self.body + after, columns)

    @property
    def width(self) -> int:
        """Columns of the whole label."""
        return width(self.fit(2 * ENOUGH))


def label(event: Event) -> Label:
    """Return what stands on the arrow of `event`; the end of TCP is worded by what came before it (`scene`)."""
    match event.kind:
        case Kind.REQUEST:
            return Label("", escape(event.headline), "  Upgrade" if wants_upgrade(event) else "")
        case Kind.RESPONSE:
            return Label("", escape(event.headline))
        case Kind.CLOSE:
            return _close(event)
        case Kind.INVALID:
            return Label("not valid:", escape(event.note))
        case Kind.SQL | Kind.LOG:
            return Label("", _text(event))
        case Kind.END:
            return Label("TCP end")
    name = event.kind.upper()
    tail = "" if event.fin else " fin=0"
    if event.keepalive or (not event.length and event.kind not in DATA):
        return Label(name)
    if is_text(event):
        return Label(name, _text(event), tail, quoted=True)
    return Label(name, hexes(event.payload, 64), tail)


def size(event: Event) -> str:
    """Return ``15 B``, the payload of a data frame or the body of an HTTP answer, or an empty string."""
    measured = event.kind in DATA or (event.kind is Kind.RESPONSE and event.length)
    return f"{event.length} B" if measured else ""


def is_text(event: Event) -> bool:
    """Is the payload to be read as text? A fragment may begin and end in the middle of a character."""
    if event.kind is Kind.TEXT:
        return True
    if event.kind is Kind.BINARY:
        return False
    data = event.payload
    start = next((i for i, byte in enumerate(data[:4]) if byte & 0b1100_0000 != 0b1000_0000), 0)
    try:
        data[start:].decode()
    except UnicodeDecodeError as exc:
        return exc.reason == "unexpected end of data"
    return True


def wants_upgrade(event: Event) -> bool:
    """Does this HTTP request ask for WebSocket (RFC 6455 4.1)?"""
    return any(name.lower() == "upgrade" and value.lower() == "websocket" for name, value in event.headers)


def sentence(event: Event) -> str:
    """Return what happened as a plain sentence; the end of TCP is worded by what came before it (`narration`)."""
    who, whom = escape(event.source), escape(event.target)
    headline = fit(escape(event.headline), SPOKEN)
    match event.kind:
        case Kind.REQUEST:
            upgrade = ", and for an upgrade to WebSocket" if wants_upgrade(event) else ""
            return f"{who} asks {whom} for {headline}{upgrade}."
        case Kind.RESPONSE:
            opened = ": the connection is open" if event.code == 101 else ""
            body = f" and {count(event.length, 'byte')} of text" if event.length else ""
            return f"{who} answers {whom} with {headline}{body}{opened}."
        case Kind.CLOSE:
            return f"{who} sends {whom} a close frame {_closing(event)}."
        case Kind.INVALID:
            return f"{who} sends {whom} bytes that are not valid: {fit(escape(event.note), SPOKEN)}."
        case Kind.SQL:
            return f"{who} runs on {whom}: {_quote(event)}."
        case Kind.LOG:
            return f"{who} writes to {whom}: {_quote(event)}."
    return f"{who} sends {whom} {_message(event)}."


def _text(event: Event) -> str:
    return escape(event.text[:ENOUGH])


def _message(event: Event) -> str:
    if event.kind not in DATA:
        said = "" if event.keepalive or not event.length else f" {_quote(event)}"
        return f"a {event.kind}{' to keep the connection alive' if event.keepalive else ''}{said}"
    if event.kind is Kind.CONTINUATION:
        what = "the last fragment" if event.fin else "the next fragment"
    elif event.fin:
        what = f"the {event.kind} message"
    else:
        what = f"the first fragment of a {event.kind} message"
    return f"{what} {_quote(event)}, {count(event.length, 'byte')}" if event.length else f"{what}, empty"


def _quote(event: Event) -> str:
    if event.kind in (Kind.SQL, Kind.LOG):
        return fit(_text(event), SPOKEN)
    return f'"{fit(_text(event), SPOKEN)}"' if is_text(event) else f"in hexadecimal {hexes(event.payload, 16)}"


def _close(event: Event) -> Label:
    if event.code is None:
        return Label("CLOSE", escape(event.note))
    if event.code == NO_CODE:
        return Label("CLOSE (no code)")
    return Label(f"CLOSE {event.code}", escape(event.note), quoted=bool(event.note))


def _closing(event: Event) -> str:
    if event.code is None:
        return f"that is {fit(escape(event.note), SPOKEN)}"
    if event.code == NO_CODE:
        return "without a code"
    reason = f' and the reason "{fit(escape(event.note), SPOKEN)}"' if event.note else ""
    return f"with code {event.code}{reason}"
