"""The sequence diagram of a recording in sentences: one for each arrow, for screen readers, and one as its title.

Rules of this file: pure functions; the same numbers as in every picture, nothing left out, and nothing that differs
from run to run.
"""

from __future__ import annotations

from ..trace import Kind, Trace
from .labels import sentence
from .layout import IMAGINED, counts
from .scene import NOTHING, Arrow, Overlay, Scene, scene
from .theme import count, escape

PUSH = "It answers no message of this connection: a push."


def narrate(trace: Trace, *, show_pings: bool = False, overlay: Overlay = NOTHING) -> str:
    """Return one numbered sentence for each arrow of `trace`, under the numbers of the diagram."""
    told = scene(trace, show_pings=show_pings, imagined=overlay.imagined)
    if not told.arrows:
        return "Nothing crossed the wire."
    lines = [counts(told).replace(" · ", ", ") + "."]
    for index, arrow in enumerate(told.arrows):
        if index and arrow.event.step != told.arrows[index - 1].event.step:
            lines.append("Everything came to rest; then:")
        if last := _group(told.arrows, index):
            joined = "and" if last == arrow.number + 1 else "to"
            lines.append(
                f"Arrows {arrow.number} {joined} {last} could have happened in any order; they are told by name:"
            )
        lines.append(" ".join([f"{arrow.number}.", *_sentences(told, arrow, overlay)]))
    lines += _together(told)
    if overlay.imagined:
        lines.append(f"{IMAGINED.capitalize()}:")
        lines += [
            f"{escape(source)} to {escape(target)}: {escape(label)}." for source, target, label in overlay.imagined
        ]
    return "\n".join(lines)


def finding(trace: Trace) -> str:
    """Return the title of the diagram, computed from this recording."""
    found = scene(trace)
    if not found.arrows:
        return "Nothing crossed the wire"
    events = [arrow.event for arrow in found.arrows]
    statuses = [event.code or 0 for event in events if event.kind is Kind.RESPONSE]
    refused = ", ".join(str(status) for status in statuses if status >= 300)
    torn = sum(arrow.label.head in ("connection cut", "TCP end, no close frame") for arrow in found.arrows)
    lost = sum(event.lost and event.kind is not Kind.END for event in events)
    invalid = next((event.note for event in events if event.kind is Kind.INVALID), None)
    connections, messages = count(found.connections, "connection"), count(found.messages, "message")
    if refused and 101 not in statuses:
        many = sum(status >= 300 for status in statuses)
        return f"A handshake refused: {refused}" if many == 1 else f"{many} handshakes refused: {refused}"
    if invalid is not None:
        return f"{connections}: bytes that are not valid ({escape(invalid)})"
    if lost:
        return f"{messages} on {connections}: {count(lost, 'frame')} vanished on the way"
    if torn:
        part = "" if torn == found.connections else f"{torn} of them "
        return f"{connections}, {part}cut without a close frame"
    together = max((len(works) for works in _overlaps(found)), default=0)
    pushes = sum(arrow.push for arrow in found.arrows)
    base = f"{messages} on {connections}" if found.connections <= 1 else f"{connections}, {messages}"
    if together > 1:
        return f"{base}, {together} of them processed at the same time"
    return base + (f", {pushes} of them unasked for" if pushes else "")


def _sentences(told: Scene, arrow: Arrow, overlay: Overlay) -> list[str]:
    event = arrow.event
    parts = [_ending(arrow) if event.kind is Kind.END else sentence(event)]
    if event.lost and not arrow.cut:
        parts.append("It never arrives.")
    if arrow.push:
        parts.append(PUSH)
    if arrow.answers is not None:
        parts.append(f"It answers arrow {arrow.answers}.")
    if arrow.number in overlay.foreseen:
        parts.append("This was foreseen.")
    if arrow.number in overlay.unforeseen:
        parts.append("This was not foreseen.")
    if arrow.number == overlay.marked:
        parts.append("This is the first wrong arrow.")
    return parts


def _ending(arrow: Arrow) -> str:
    source, target = escape(arrow.event.source), escape(arrow.event.target)
    if arrow.cut:
        return f"The connection between {source} and {target} is cut, without a close frame."
    how = {
        "TCP end, no close frame": ", without a close frame",
        "TCP end, close not answered": ", with a close frame that was not answered",
    }.get(arrow.label.head, "")
    return f"{source} ends the TCP connection to {target}{how}."


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
    return [f"Up to {most} messages of one connection are processed at the same time."] if most > 1 else []
