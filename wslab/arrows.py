"""The arrows of a recording by their numbers: which event each is, and why it is there.

A trace in; rows, events and sentences out.
"""

from __future__ import annotations

from .errors import RecordingError, say
from .order import Row, canonical
from .pictures.labels import label, sentence
from .pictures.shown import Shown, Text
from .pictures.theme import escape
from .trace import Event, Kind, Trace


class Arrows(Shown):
    """What has a `trace` whose events are shown as numbered arrows."""

    @property
    def trace(self) -> Trace:
        """What was recorded."""
        raise NotImplementedError

    @property
    def rows(self) -> list[Row]:
        """The events in canonical order, numbered from 1 as in every picture."""
        return canonical(self.trace)

    def arrow(self, number: int) -> Event:
        """The event that all pictures show as arrow `number`.

        Raises:
            RecordingError: If the recording has no such arrow.
        """
        return _arrow(self.rows, number)

    def cause(self, number: int) -> int | None:
        """The number of the client's message that the handler had taken last when it sent arrow `number`, if known.

        Raises:
            RecordingError: If the recording has no such arrow.
        """
        rows = self.rows
        if (cause := _arrow(rows, number).cause) is None:
            return None
        wanted = (cause.connection, cause.life, cause.message)
        asked = (row for row in rows if row.event.up and row.event.tap)
        return next((r.number for r in asked if (r.event.connection, r.event.life, r.event.ordinal) == wanted), None)

    def why(self, number: int) -> Text:
        """Which line of yours sent arrow `number`, and which arrow the handler had taken last when it did.

        Known is what was sent in this very process: by handlers behind a tap, by the library's own clients, to a
        watched database or log.

        Raises:
            RecordingError: If the recording has no such arrow.
        """
        event = self.arrow(number)
        told = label(event).head if event.kind is Kind.END else sentence(event)
        lines = [f"{number}. {told}"]
        if event.origin is not None:
            lines.append(say("Sent by {place}{task}:", place=event.origin.place, task=_in_task(event)))
            lines.append(f"    {escape(event.origin.source)}")
        elif event.kind is Kind.END:
            lines.append(say("TCP ended: no line sends that."))
        else:
            lines.append(say("No line of yours is known to have sent it: a library did by itself, or another program."))
        if (cause := self.cause(number)) is not None:
            lines.append(say("Because of arrow {number}.", number=cause))
        return Text("\n".join(lines))


def _arrow(rows: list[Row], number: int) -> Event:
    if not 1 <= number <= len(rows):
        raise RecordingError(say("this recording has arrows 1 to {last}, not {number}", last=len(rows), number=number))
    return rows[number - 1].event


def _in_task(event: Event) -> str:
    """Which task ran the line, where its function does not say it."""
    if event.origin is None or event.origin.task in ("", event.origin.function):
        return ""
    return say(", in the task {name}", name=escape(event.origin.task))
