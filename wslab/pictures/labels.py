"""Event in, words out: what stands on an arrow, and what a screen reader says of it.

Rules of this file: pure functions; the same event gives the same words in every run, so no times, ports, keys or masks.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import say, say_many
from ..trace import DATA, Event, Kind
from .theme import escape, fit, hexes, width

NO_CODE = 1005  # "no status code was actually present" (RFC 6455 7.4.1): never on the wire
SPOKEN = 80  # columns of a payload that a sentence quotes
BODIED = frozenset({Kind.REQUEST, Kind.RESPONSE, Kind.BODY})
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
        case Kind.BODY:
            return _part(event)
        case Kind.CLOSE:
            return _close(event)
        case Kind.INVALID:
            return Label("not valid:", escape(event.note))
        case Kind.SQL | Kind.LOG:
            return Label("", _text(event))
        case Kind.PUBLISH | Kind.DELIVER | Kind.COMMAND:
            operation, _, subject = event.headline.partition(" ")
            return Label(operation, escape(subject))
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
    """Return ``15 B``, the payload of a message or a fragment, or the body of an HTTP answer, or an empty string."""
    measured = event.kind in DATA | {Kind.PUBLISH, Kind.DELIVER} or (event.kind in BODIED and event.length)
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


def is_plain(event: Event) -> bool:
    """Is it HTTP by itself, a request or an answer that has nothing to do with WebSocket?"""
    return event.kind in (Kind.REQUEST, Kind.RESPONSE) and event.ordinal is not None


def streamed(event: Event) -> str | None:
    """The data of a part of an event stream; `None` if it is none, or has no data, such as a comment."""
    if event.kind is not Kind.BODY or event.headline != "text/event-stream":
        return None
    lines = (line.partition(":") for line in event.text[:ENOUGH].splitlines())
    data = [value.removeprefix(" ") for name, _, value in lines if name == "data"]
    return "\n".join(data) if data else None


def wants_upgrade(event: Event) -> bool:
    """Does this HTTP request ask for WebSocket (RFC 6455 4.1)?"""
    return any(name.lower() == "upgrade" and value.lower() == "websocket" for name, value in event.headers)


def sentence(event: Event) -> str:
    """Return what happened as a plain sentence; the end of TCP is worded by what came before it (`narration`)."""
    who, whom = escape(event.source), escape(event.target)
    headline = fit(escape(event.headline), SPOKEN)
    match event.kind:
        case Kind.REQUEST:
            if wants_upgrade(event):
                return say(
                    "{who} asks {whom} for {headline}, and for an upgrade to WebSocket.",
                    who=who,
                    whom=whom,
                    headline=headline,
                )
            if event.length:
                size = say_many("{count} byte", "{count} bytes", event.length)
                return say("{who} sends {whom} {what}, with {size}.", who=who, whom=whom, what=headline, size=size)
            return say("{who} asks {whom} for {headline}.", who=who, whom=whom, headline=headline)
        case Kind.RESPONSE:
            opened = say(": the connection is open") if event.code == 101 else ""
            body = say_many(" and {count} byte of text", " and {count} bytes of text", event.length)
            return say(
                "{who} answers {whom} with {headline}{body}{opened}.",
                who=who,
                whom=whom,
                headline=headline,
                body=body if event.length else "",
                opened=opened,
            )
        case Kind.PUBLISH | Kind.DELIVER | Kind.COMMAND:
            return _on_subject(event, who, whom)
        case Kind.BODY:
            return say("{who} sends {whom} {what}.", who=who, whom=whom, what=_told_part(event))
        case Kind.CLOSE:
            return say("{who} sends {whom} a close frame {closing}.", who=who, whom=whom, closing=_closing(event))
        case Kind.INVALID:
            reason = fit(escape(event.note), SPOKEN)
            return say("{who} sends {whom} bytes that are not valid: {reason}.", who=who, whom=whom, reason=reason)
        case Kind.SQL:
            return say("{who} runs on {whom}: {statement}.", who=who, whom=whom, statement=_quote(event))
        case Kind.LOG:
            return say("{who} writes to {whom}: {record}.", who=who, whom=whom, record=_quote(event))
    return say("{who} sends {whom} {what}.", who=who, whom=whom, what=_message(event))


def _text(event: Event) -> str:
    return escape(event.text[:ENOUGH])


def _message(event: Event) -> str:
    if event.kind not in DATA:
        if event.keepalive:
            return say("a {kind} to keep the connection alive", kind=event.kind)
        return say("a {kind}", kind=event.kind) + (f" {_quote(event)}" if event.length else "")
    if event.kind is Kind.CONTINUATION:
        what = say("the last fragment") if event.fin else say("the next fragment")
    elif event.fin:
        what = say("the {kind} message", kind=event.kind)
    else:
        what = say("the first fragment of a {kind} message", kind=event.kind)
    if not event.length:
        return say("{what}, empty", what=what)
    return f"{what} {_quote(event)}, {say_many('{count} byte', '{count} bytes', event.length)}"


def _quote(event: Event) -> str:
    if event.kind in (Kind.SQL, Kind.LOG):
        return fit(_text(event), SPOKEN)
    return (
        f'"{fit(_text(event), SPOKEN)}"'
        if is_text(event)
        else say("in hexadecimal {bytes}", bytes=hexes(event.payload, 16))
    )


def _on_subject(event: Event, who: str, whom: str) -> str:
    operation, _, rest = event.headline.partition(" ")
    subject = fit(escape(rest), SPOKEN)
    what = _quote(event) if event.length else say("an empty message")
    size = say_many("{count} byte", "{count} bytes", event.length)
    if event.kind is Kind.PUBLISH:
        return say(
            "{who} publishes on {whom} {what}, {size}, under {subject}.",
            who=who,
            whom=whom,
            what=what,
            size=size,
            subject=subject,
        )
    if event.kind is Kind.DELIVER:
        return say(
            "{who} delivers to {whom} {what}, {size}, published under {subject}.",
            who=who,
            whom=whom,
            what=what,
            size=size,
            subject=subject,
        )
    if operation == "SUB":
        return say("{who} subscribes on {whom} to {subject}.", who=who, whom=whom, subject=subject)
    if operation == "UNSUB":
        return say("{who} ends on {whom} its subscription to {subject}.", who=who, whom=whom, subject=subject)
    return say("{who} sends {whom} {what}.", who=who, whom=whom, what=fit(escape(event.headline), SPOKEN))


def _part(event: Event) -> Label:
    if not event.length:
        return Label("BODY", "end")
    if (data := streamed(event)) is not None:
        return Label("EVENT", escape(data), quoted=True)
    return Label("BODY", _text(event) if is_text(event) else hexes(event.payload, 64), quoted=is_text(event))


def _told_part(event: Event) -> str:
    if not event.length:
        return say("the end of the body")
    size = say_many("{count} byte", "{count} bytes", event.length)
    if (data := streamed(event)) is not None:
        return say('the event "{data}", {size}', data=fit(escape(data), SPOKEN), size=size)
    what = say("the body") if event.fin else say("the next part of the body")
    return f"{what} {_quote(event)}, {size}"


def _close(event: Event) -> Label:
    if event.code is None:
        return Label("CLOSE", escape(event.note))
    if event.code == NO_CODE:
        return Label("CLOSE (no code)")
    return Label(f"CLOSE {event.code}", escape(event.note), quoted=bool(event.note))


def _closing(event: Event) -> str:
    if event.code is None:
        return say("that is {note}", note=fit(escape(event.note), SPOKEN))
    if event.code == NO_CODE:
        return say("without a code")
    if not event.note:
        return say("with code {code}", code=event.code)
    return say('with code {code} and the reason "{reason}"', code=event.code, reason=fit(escape(event.note), SPOKEN))
