"""The arrows between two lanes in, counts and their words out: connections, messages each way, pushes, statements.

Rules of this file: pure functions, and nothing that differs from run to run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import later, say, say_many
from ..trace import BESIDE, DATA, FRAMES, Event, Kind
from .labels import wants_upgrade
from .scene import Arrow
from .work import Line, line_of

NOUNS = {
    Kind.SQL: (later("{count} statement"), later("{count} statements")),
    Kind.LOG: (later("{count} record"), later("{count} records")),
    Kind.BODY: (later("{count} part"), later("{count} parts")),
    Kind.PUBLISH: (later("{count} published"), later("{count} published")),
    Kind.DELIVER: (later("{count} delivered"), later("{count} delivered")),
    Kind.COMMAND: (later("{count} command"), later("{count} commands")),
}
_OF_A_CONNECTION = frozenset({Kind.REQUEST, Kind.RESPONSE, Kind.END, Kind.INVALID})


@dataclass(frozen=True, slots=True)
class Tally:
    """What crossed one line: `up` and `down` are whole messages, `beside` what is no message of a connection."""

    connections: int = 0
    requests: int = 0
    refused: tuple[int, ...] = ()
    up: int = 0
    down: int = 0
    pushes: int = 0
    lost: int = 0
    cut: int = 0
    beside: tuple[tuple[Kind, bool, int], ...] = ()

    @property
    def silent(self) -> bool:
        """Did nobody say anything?"""
        return not (self.requests or self.refused or self.up or self.down or self.beside)

    def facts(self, forth: str = "→", back: str = "←", *, short: bool = False) -> Iterator[str]:
        """The counts in words, a line each, `forth` from who opened the connection; `short`: more, but shorter ones."""
        if self.connections:
            yield say_many("{count} connection", "{count} connections", self.connections)
        if self.requests:
            yield say_many("{count} HTTP request", "{count} HTTP requests", self.requests)
        if self.refused:
            yield say("{number} refused: {status}", number=len(self.refused), status=self.refused[0])
        yield from self._messages(forth, back, short)
        for kind, up, number in self.beside:
            one, many = NOUNS.get(kind, (f"{{count}} {kind.value}", f"{{count}} {kind.value}s"))
            noun = say_many(one, many, number)
            yield noun if kind in BESIDE else f"{noun} {forth if up else back}"
        if self.lost:
            yield say("{number} lost", number=self.lost)
        if self.cut:
            yield say("{number} cut", number=self.cut)

    def _messages(self, forth: str, back: str, short: bool) -> Iterator[str]:
        said = [(number, way) for number, way in ((self.up, forth), (self.down, back)) if number]
        words = [say_many("{count} message {way}", "{count} messages {way}", number, way=way) for number, way in said]
        if len(words) == 2 and not short:
            words = [f"{words[0]}, {self.down} {back}"]
        yield from words
        if self.connections and self.silent:
            yield say("no messages")
        if self.pushes == self.down == 1:
            yield say("pushed")
        elif self.pushes == self.down and self.pushes and not self.up:
            yield say("all pushed")
        elif self.pushes:
            few = say("{number} pushed", number=self.pushes)
            yield few if short else say("{number} of them pushed", number=self.pushes)


def _rank(item: tuple[tuple[Kind, bool], int]) -> tuple[int, str, bool]:
    (kind, up), _ = item
    return list(NOUNS).index(kind) if kind in NOUNS else len(NOUNS), kind.value, not up


def tally_of(arrows: Sequence[Arrow]) -> Tally:
    """Count what crossed the line on which these arrows are."""
    events = [arrow.event for arrow in arrows]
    lines: dict[Line, list[Event]] = {}
    for event in events:
        if (line := line_of(event)) is not None and event.kind not in BESIDE:
            lines.setdefault(line, []).append(event)
    spoken = [said for said in lines.values() if _is_open(said)]
    refused = [
        event.code or 0
        for said in lines.values()
        if any(event.kind is Kind.REQUEST and wants_upgrade(event) for event in said)
        for event in said
        if event.kind is Kind.RESPONSE and event.code != 101
    ]
    messages = [event for event in events if event.kind in DATA and event.fin]
    others = Counter((event.kind, event.up) for event in events if event.kind not in FRAMES | _OF_A_CONNECTION)
    return Tally(
        connections=len(spoken),
        requests=sum(event.kind is Kind.REQUEST and not wants_upgrade(event) for event in events),
        refused=tuple(refused),
        up=sum(event.up for event in messages),
        down=sum(not event.up for event in messages),
        pushes=sum(arrow.push for arrow in arrows),
        lost=sum(event.lost and event.kind in DATA for event in events),
        cut=sum(arrow.cut for arrow in arrows),
        beside=tuple((kind, up, number) for (kind, up), number in sorted(others.items(), key=_rank)),
    )


def _is_open(said: Iterable[Event]) -> bool:
    """Was this line a WebSocket connection? A window may begin after its handshake."""
    return any(event.kind in FRAMES or (event.kind is Kind.RESPONSE and event.code == 101) for event in said)
