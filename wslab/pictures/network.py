"""Trace in, boxes and the lines between them out: who opened connections to whom, and how much was said on them.

A line goes from who opened a connection, or ran a statement, to the other side; a box stands one column further than
the farthest box with a line to it. So clients stand left, and what is asked last stands right.

Rules of this file: pure functions, nothing drawn, and nothing that differs from run to run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import later, say, say_many
from ..trace import BESIDE, Trace
from .scene import Arrow, Lane, scene
from .tally import Tally, tally_of
from .theme import escape

SEPARATE = 4  # clients that have a box each; of more, those are put together that did and heard the same
NAMES = 4  # clients of one box that are named
NARROW = 3  # with a column of this number, counted from 0, words are short
ROLES = {
    "client": (later("{count} client"), later("{count} clients")),
    "balancer": (later("{count} load balancer"), later("{count} load balancers")),
    "backplane": (later("{count} backplane"), later("{count} backplanes")),
    "server": (later("{count} server"), later("{count} servers")),
    "database": (later("{count} database"), later("{count} databases")),
    "log": (later("{count} log"), later("{count} logs")),
}


@dataclass(frozen=True, slots=True)
class Box:
    """One lane, or `members` lanes of clients that did and heard the same."""

    name: str
    role: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A line from box `left` to box `right`; `back`: it was opened from the right."""

    left: int
    right: int
    tally: Tally
    back: bool = False

    @property
    def form(self) -> str:
        """How it is drawn: with pushes heavy, without a word dashed."""
        return "heavy" if self.tally.pushes else "dashed" if self.tally.silent else "plain"


@dataclass(frozen=True, slots=True)
class Network:
    """Everything that a map states; `columns` says for each box how far right it stands."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    columns: tuple[int, ...]
    heard: int
    clients: int

    @property
    def narrow(self) -> bool:
        """Are there so many columns that words have to be short?"""
        return max(self.columns, default=0) >= NARROW

    def facts(self, link: Link) -> list[str]:
        """What crossed `link` in words, with arrows as they stand in the picture."""
        forth, back = ("←", "→") if link.back else ("→", "←")
        return list(link.tally.facts(forth, back, short=self.narrow))

    def listed(self, box: Box) -> str:
        """The clients of a group by name, of many the first ones and the last; nothing of a box that is no group."""
        names = [escape(name) for name in box.members]
        if len(names) == 1:
            return ""
        if self.narrow and len(names) > 2:
            return f"{names[0]} … {names[-1]}"
        return " · ".join(names if len(names) <= NAMES else [*names[: NAMES - 2], "…", names[-1]])


def network(trace: Trace) -> Network:
    """Return the map of `trace`."""
    found = scene(trace)
    ends: dict[tuple[int, int], list[Arrow]] = {}
    for arrow in found.arrows:
        forth = arrow.event.up or arrow.event.kind in BESIDE
        pair = (arrow.source, arrow.target) if forth else (arrow.target, arrow.source)
        ends.setdefault(pair, []).append(arrow)
    tallies = {pair: tally_of(arrows) for pair, arrows in ends.items() if pair[0] != pair[1]}
    clients = sorted((i for i, lane in enumerate(found.lanes) if lane.role == "client"), key=_natural(found.lanes))
    heard = sum(any(tallies[pair].down for pair in tallies if pair[0] == i) for i in clients)
    groups = _groups(clients, tallies)
    others = sorted((i for i, lane in enumerate(found.lanes) if lane.role != "client"), key=_natural(found.lanes))
    groups += [(i,) for i in sorted(others, key=lambda i: found.lanes[i].role)]
    place = {lane: index for index, group in enumerate(groups) for lane in group}
    merged: dict[tuple[int, int], list[Arrow]] = {}
    for (source, target), arrows in ends.items():
        if source != target:
            merged.setdefault((place[source], place[target]), []).extend(arrows)
    boxes = tuple(_box(group, found.lanes) for group in groups)
    back = _against(len(boxes), sorted(merged))
    links = [
        Link(*(pair[::-1] if pair in back else pair), tally_of(merged[pair]), pair in back) for pair in sorted(merged)
    ]
    return Network(boxes, tuple(links), _columns(boxes, links), heard, len(clients))


def finding(found: Network) -> str:
    """Return the title of the map, computed from this recording."""
    if not found.boxes:
        return say("Nothing crossed the wire")
    sent = [link.tally for link in found.links if found.boxes[link.left].role == "client"]
    up, down, pushes = (sum(getattr(tally, name) for tally in sent) for name in ("up", "down", "pushes"))
    roles = Counter[str]()
    for _, box in sorted(zip(found.columns, found.boxes, strict=True), key=lambda item: item[0]):
        roles[box.role] += len(box.members)
    who = ", ".join(_many(role, number) for role, number in roles.items())
    if 0 < found.heard < found.clients:
        return say(
            "{who}: {heard} of {clients} clients heard a message", who=who, heard=found.heard, clients=found.clients
        )
    if not (up or down):
        return say("{who}: no messages", who=who)
    told = say_many(
        "{who}: {count} message in, {down} out", "{who}: {count} messages in, {down} out", up, who=who, down=down
    )
    return say("{told}, {pushes} of these pushed", told=told, pushes=pushes) if pushes else told


def legend(found: Network) -> list[str]:
    """Return the lines under the map: what its lines mean."""
    forms = {link.form for link in found.links}
    lines = [say("A line goes from who opened the connection; → with it, ← against it.")]
    lines += [say("Heavy line: with pushes, which answer no message.")] * ("heavy" in forms)
    return lines + [say("Dashed line: nobody said anything.")] * ("dashed" in forms)


def tell(found: Network) -> str:
    """Return one sentence for each line of the map, from left to right."""
    lines = [f"{finding(found)}."]
    for box in found.boxes:
        if len(box.members) > 1:
            lines.append(
                say("{name} are: {members}.", name=escape(box.name), members=", ".join(map(escape, box.members)))
            )
    for link in sorted(found.links, key=lambda link: found.columns[link.left]):
        source, target = (
            found.boxes[link.right if link.back else link.left],
            found.boxes[link.left if link.back else link.right],
        )
        facts = ", ".join(link.tally.facts(say("forth"), say("back")))
        lines.append(
            say("{source} to {target}: {facts}.", source=escape(source.name), target=escape(target.name), facts=facts)
        )
    return "\n".join(lines)


def _groups(clients: list[int], tallies: dict[tuple[int, int], Tally]) -> list[tuple[int, ...]]:
    """Clients that share a box: none up to `SEPARATE`, else those with the same counts, or all."""
    if len(clients) <= SEPARATE:
        return [(i,) for i in clients]
    alike: dict[tuple[tuple[int, Tally], ...], list[int]] = {}
    for i in clients:
        key = tuple(sorted(((pair[1], tally) for pair, tally in tallies.items() if pair[0] == i), key=lambda k: k[0]))
        alike.setdefault(key, []).append(i)
    return [tuple(group) for group in alike.values()] if len(alike) <= SEPARATE else [tuple(clients)]


def _many(role: str, number: int) -> str:
    """Return ``3 servers``."""
    return say_many(*ROLES.get(role, (f"{{count}} {role}", f"{{count}} {role}s")), number)


def _box(group: tuple[int, ...], lanes: Sequence[Lane]) -> Box:
    members = tuple(lanes[i].name for i in group)
    name = members[0] if len(members) == 1 else _many("client", len(members))
    return Box(name, lanes[group[0]].role, members)


def _natural(lanes: Sequence[Lane]) -> Callable[[int], list[tuple[bool, int, str]]]:
    """A key that puts `c2` before `c10`."""

    def key(index: int) -> list[tuple[bool, int, str]]:
        parts = re.split(r"(\d+)", lanes[index].name)
        return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]

    return key


def _against(boxes: int, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """The lines that close a circle: they run from right to left."""
    after: dict[int, list[int]] = {}
    for source, target in pairs:
        after.setdefault(source, []).append(target)
    back: set[tuple[int, int]] = set()
    done: set[int] = set()

    def visit(box: int, path: tuple[int, ...]) -> None:
        for target in after.get(box, ()):
            if target in path:
                back.add((box, target))
            elif target not in done:
                visit(target, (*path, target))
        done.add(box)

    for box in range(boxes):
        if box not in done:
            visit(box, (box,))
    return back


def _columns(boxes: Sequence[Box], links: Sequence[Link]) -> tuple[int, ...]:
    columns = [0] * len(boxes)
    _push(columns, links)
    # Whom nobody asked in this recording stands beside others of its kind, not beside the clients.
    asked = {link.left if link.back else link.right for link in links}
    for index, box in enumerate(boxes):
        if index not in asked and box.role != "client":
            columns[index] = max((columns[i] for i in asked if boxes[i].role == box.role), default=0)
    _push(columns, links)
    used = sorted(set(columns))
    return tuple(used.index(column) for column in columns)


def _push(columns: list[int], links: Sequence[Link]) -> None:
    """Move boxes right, until each stands further right than all with a line to it."""
    for _ in columns:
        for link in links:
            columns[link.right] = max(columns[link.right], columns[link.left] + 1)
