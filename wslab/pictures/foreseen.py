"""Predicted arrows beside recorded ones: which were foreseen, which were not, and which exist in the prediction only.

Rules of this file: a learner may write loosely; what is judged is who sent what to whom, and in which order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import LabError, say
from ..order import Row
from .labels import label
from .scene import Overlay

LABEL_COLUMNS = 500
_ARROW = re.compile(r"\s*(?P<source>[^:]+?)\s*(?:->|→|─▶)\s*(?P<target>[^:]+?)\s*(?::\s*(?P<label>.*))?", re.S)


def parse_arrow(text: str) -> tuple[str, str, str]:
    """Take "Client -> Server: hello" apart: from, to, and what it carries.

    Raises:
        LabError: If it is no such text.
    """
    found = _ARROW.fullmatch(text)
    if found is None:
        raise LabError(
            say('not an arrow: {arrow!r}. Write "Client -> Server: hello": from, to, and what it carries', arrow=text)
        )
    return found["source"].strip(), found["target"].strip(), (found["label"] or "").strip()


def match_arrows(arrows: Sequence[str], rows: Sequence[Row]) -> Overlay:
    """Match predicted with recorded arrows in order: the longest common sequence."""
    lanes = _lanes(rows)
    wanted = [(lanes.get(a.casefold(), a), lanes.get(b.casefold(), b), text) for a, b, text in map(parse_arrow, arrows)]
    best = [[0] * (len(rows) + 1) for _ in range(len(wanted) + 1)]
    for i in reversed(range(len(wanted))):
        for j in reversed(range(len(rows))):
            same = 1 + best[i + 1][j + 1] if _meets(wanted[i], rows[j]) else 0
            best[i][j] = max(same, best[i + 1][j], best[i][j + 1])
    foreseen, imagined, i, j = set(), [], 0, 0
    while i < len(wanted):
        if j < len(rows) and _meets(wanted[i], rows[j]) and best[i][j] == 1 + best[i + 1][j + 1]:
            foreseen.add(rows[j].number)
            i, j = i + 1, j + 1
        elif j < len(rows) and best[i][j + 1] >= best[i + 1][j]:
            j += 1
        else:
            imagined.append(wanted[i])
            i += 1
    unforeseen = [row.number for row in rows if row.number not in foreseen]
    return Overlay(foreseen=foreseen, unforeseen=unforeseen, imagined=imagined)


def _lanes(rows: Sequence[Row]) -> dict[str, str]:
    """The lanes by what a learner may call them: in any case, and plainly client or server where there is one."""
    clients = {row.event.connection for row in rows if row.event.tap}
    servers = {row.event.tap for row in rows if row.event.tap}
    plain = {"client": clients, "server": servers}
    found = {kind: next(iter(names)) for kind, names in plain.items() if len(names) == 1}
    lanes = {lane for row in rows for lane in (row.event.source, row.event.target)}
    return found | {lane.casefold(): lane for lane in lanes}


def _meets(arrow: tuple[str, str, str], row: Row) -> bool:
    source, target, text = arrow
    event = row.event
    if (source, target) != (event.source, event.target):
        return False
    return text.casefold() in label(event).fit(LABEL_COLUMNS).casefold()
