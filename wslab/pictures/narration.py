"""The sequence diagram of a recording in sentences: one for each arrow, for screen readers, and one as its title.

Rules of this file: pure functions; the same numbers as in every picture, nothing left out, and nothing that differs
from run to run.
"""

from __future__ import annotations

from ..errors import later, say, say_many
from ..trace import Kind, Trace
from .labels import is_plain, sentence
from .layout import EMPTY, counts, exchanged
from .scene import NOTHING, Arrow, Overlay, Scene, scene
from .theme import escape


def narrate(trace: Trace, *, show_pings: bool = False, overlay: Overlay = NOTHING) -> str:
    """Return one numbered sentence for each arrow of `trace`, under the numbers of the diagram."""
    told = scene(trace, show_pings=show_pings, imagined=overlay.imagined)
    if not told.arrows:
        return say(EMPTY)
    lines = [counts(told).replace(" · ", ", ") + "."]
    for index, arrow in enumerate(told.arrows):
        if index and arrow.event.step != told.arrows[index - 1].event.step:
            lines.append(say("Everything came to rest; then:"))
        if last := _group(told.arrows, index):
            lines.append(_free(arrow.number, last))
        lines.append(" ".join([f"{arrow.number}.", *_sentences(told, arrow, overlay)]))
    lines += _together(told)
    if overlay.imagined:
        lines.append(say("Foreseen, but not in the recording:"))
        lines += [
            say("{source} to {target}: {label}.", source=escape(source), target=escape(target), label=escape(label))
            for source, target, label in overlay.imagined
        ]
    return "\n".join(lines)


def finding(trace: Trace) -> str:
    """Return the title of the diagram, computed from this recording."""
    found = scene(trace)
    if not found.arrows:
        return say("Nothing crossed the wire")
    first = [arrow for arrow in found.arrows if not arrow.again]
    events = [arrow.event for arrow in first]
    statuses = [event.code or 0 for event in events if event.kind is Kind.RESPONSE and not is_plain(event)]
    refused = ", ".join(str(status) for status in statuses if status >= 300)
    torn = sum(arrow.label.head in ("connection cut", "TCP end, no close frame") for arrow in first)
    lost = sum(event.lost and event.kind is not Kind.END for event in events)
    invalid = next((event.note for event in events if event.kind is Kind.INVALID), None)
    connections = say_many("{count} connection", "{count} connections", found.connections)
    messages = exchanged(found)
    if refused and 101 not in statuses:
        many = sum(status >= 300 for status in statuses)
        return say_many("A handshake refused: {status}", "{count} handshakes refused: {status}", many, status=refused)
    if invalid is not None:
        reason = escape(invalid)
        return say("{connections}: bytes that are not valid ({reason})", connections=connections, reason=reason)
    if lost:
        return say_many(
            "{messages} on {connections}: {count} frame vanished on the way",
            "{messages} on {connections}: {count} frames vanished on the way",
            lost,
            messages=messages,
            connections=connections,
        )
    if torn:
        if torn == found.connections:
            return say("{connections}, cut without a close frame", connections=connections)
        return say("{connections}, {torn} of them cut without a close frame", connections=connections, torn=torn)
    failed = [str(event.code) for event in events if is_plain(event) and (event.code or 0) >= 400]
    together = max((len(works) for works in _overlaps(found)), default=0)
    pushes = sum(arrow.push for arrow in first)
    if found.connections <= 1:
        base = say("{messages} on {connections}", messages=messages, connections=connections)
    else:
        base = f"{connections}, {messages}"
    if failed:
        return say(
            "{what}, {number} of them refused: {status}", what=base, number=len(failed), status=", ".join(failed)
        )
    if together > 1:
        return say("{what}, {number} of them processed at the same time", what=base, number=together)
    if pushes and pushes == found.messages and not found.requests:
        return (
            say("{what}, unasked for", what=base) if pushes == 1 else say("{what}, all of them unasked for", what=base)
        )
    return say("{what}, {number} of them unasked for", what=base, number=pushes) if pushes else base


def _free(first: int, last: int) -> str:
    text = later("Arrows {first} to {last} could have happened in any order; they are told by name:")
    if last == first + 1:
        text = later("Arrows {first} and {last} could have happened in any order; they are told by name:")
    return say(text, first=first, last=last)


def _sentences(told: Scene, arrow: Arrow, overlay: Overlay) -> list[str]:
    event = arrow.event
    parts = [_ending(arrow) if event.kind is Kind.END else sentence(event)]
    if event.lost and not arrow.cut:
        parts.append(say("It never arrives."))
    if arrow.push:
        parts.append(say("It answers no message of this connection: a push."))
    if arrow.answers is not None:
        parts.append(say("It answers arrow {number}.", number=arrow.answers))
    if arrow.number in overlay.foreseen:
        parts.append(say("This was foreseen."))
    if arrow.number in overlay.unforeseen:
        parts.append(say("This was not foreseen."))
    if arrow.number == overlay.marked:
        parts.append(say("This is the first wrong arrow."))
    return parts


def _ending(arrow: Arrow) -> str:
    source, target = escape(arrow.event.source), escape(arrow.event.target)
    if arrow.cut:
        text = later("The connection between {source} and {target} is cut, without a close frame.")
    elif arrow.label.head == "TCP end, no close frame":
        text = later("{source} ends the TCP connection to {target}, without a close frame.")
    elif arrow.label.head == "TCP end, close not answered":
        text = later("{source} ends the TCP connection to {target}, with a close frame that was not answered.")
    else:
        text = later("{source} ends the TCP connection to {target}.")
    return say(text, source=source, target=target)


def _group(arrows: tuple[Arrow, ...], index: int) -> int:
    """The last number of the arrows that are joined with the one at `index`, if that is the first of them; else 0."""
    end = index + 1
    while end < len(arrows) and arrows[end].free:
        end += 1
    return arrows[end - 1].number if end > index + 1 and not arrows[index].free else 0


def _overlaps(told: Scene) -> list[list[int]]:
    """For each arrow the messages of one connection that are processed there: on one connection order is real."""
    return [
        [work.message for work in told.works if work.covers(arrow.number) and work.connection == connection]
        for arrow in told.arrows
        for connection in sorted({work.connection for work in told.works})
    ]


def _together(told: Scene) -> list[str]:
    most = max((len(messages) for messages in _overlaps(told)), default=0)
    text = later("Up to {number} messages of one connection are processed at the same time.")
    return [say(text, number=most)] if most > 1 else []
