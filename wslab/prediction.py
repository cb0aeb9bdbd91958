"""Predict, then reveal: a prediction is kept, and shown beside the recording that confirms or refutes it.

Values (`order=[1, 2, 0]`, `seconds=0.15`) are compared one by one; `arrows=["Client -> Server: hello", ...]` with the
arrows of the recording. Without a prediction a reveal shows a covered card, never an error.

Rules of this file: a wrong prediction costs nothing; what varies from run to run is shown in the picture only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import state
from .errors import LabError
from .order import Row
from .pictures.cards import stacked, table
from .pictures.labels import label
from .pictures.scene import Overlay
from .pictures.shown import Shown, Text
from .pictures.theme import count, width
from .recording import Recording

NEAR = 0.25  # a predicted time agrees if it is off by less than this share of the truth,
NEAR_S = 0.03  # or by less than this many seconds
LABEL_COLUMNS = 500

_asked: dict[str, str] = {}
_ARROW = re.compile(r"\s*(?P<source>[^:]+?)\s*(?:->|→|─▶)\s*(?P<target>[^:]+?)\s*(?::\s*(?P<label>.*))?", re.S)


def predict(key: str, question: str = "", **values: Any) -> None:
    """Keep a prediction under `key`; values that are still `...` count as not made.

    Args:
        key: The prediction's name, such as "p2.1".
        question: What is asked, shown again on a covered card.
        values: The prediction: numbers, texts, lists of them, or `arrows=[...]`.

    Raises:
        LabError: If there is no value at all, or one that is none of these.
    """
    if not values:
        raise LabError(f'predict("{key}") needs at least one value, such as predict("{key}", seconds=0.1)')
    _asked[key] = question
    open_ones = [name for name, value in values.items() if value is ...]
    kept = state.read("predictions")
    if open_ones:
        if kept.pop(key, None) is not None:
            state.write("predictions", kept)
        print(f"{key}: no prediction yet. Put yours in the place of ... and run this cell again.")
        return
    if "arrows" in values:
        for text in _list(key, values["arrows"]):
            _parsed(text)
    try:
        kept[key] = json.loads(json.dumps(values))
    except (TypeError, ValueError):
        raise LabError(f"{key}: a prediction is a number, a text, or a list of them") from None
    state.write("predictions", kept)
    print(f"{key}: noted: " + ", ".join(f"{name}={value!r}" for name, value in values.items()))


def reveal(key: str, evidence: Any = None, **truth: Any) -> Reveal:
    """Show `evidence` beside the prediction made under `key`; a covered card while there is none.

    Args:
        key: The prediction's name.
        evidence: A recording, or another picture of the kit.
        truth: What was recorded or measured, under the names used in `predict`.
    """
    prediction = state.read("predictions").get(key)
    if not isinstance(prediction, dict):
        return Reveal(key, question=_asked.get(key, ""))
    lines = [_compared(name, prediction.get(name), value) for name, value in truth.items()]
    overlay = Overlay()
    if "arrows" in prediction and isinstance(evidence, Recording):
        overlay = _overlay(prediction["arrows"], evidence.rows)
        met = len(overlay.foreseen)
        lines.append(
            Compared(
                "arrows",
                count(len(prediction["arrows"]), "arrow"),
                f"{count(len(evidence.rows), 'arrow')}, {met} of them foreseen",
                not overlay.unforeseen and not overlay.imagined,
            )
        )
    return Reveal(key, evidence=evidence, lines=lines, overlay=overlay)


@dataclass(frozen=True)
class Compared:
    """One predicted value beside the truth; `varies` if the truth differs from run to run."""

    name: str
    said: str
    truth: str
    agrees: bool
    varies: bool = False

    def cells(self, *, measured: bool) -> tuple[str, str, str, str]:
        """What the line of a table holds: name, prediction, truth and verdict."""
        truth = self.truth if measured or not self.varies else "a time, see the picture"
        return self.name, f"you said {self.said}", f"recorded {truth}", "✓ agrees" if self.agrees else "✗ differs"


@dataclass(frozen=True, repr=False)
class Reveal(Shown):
    """A covered card, or a prediction beside its evidence."""

    key: str
    question: str = ""
    evidence: Any = None
    lines: Sequence[Compared] = ()
    overlay: Overlay = field(default_factory=Overlay)

    @property
    def covered(self) -> bool:
        return self.evidence is None and not self.lines

    def __repr__(self) -> str:
        if self.covered:
            return "\n".join(self._card())
        out = self._table(measured=False)
        if self.evidence is not None:
            out += ["", self._evidence_text()]
        return "\n".join(line.rstrip() for line in "\n".join(out).splitlines())

    def png(self) -> bytes:
        """The card, or the comparison above the picture of the evidence."""
        if self.covered:
            return table(self._card(), covered=True)
        head = table(self._table(measured=True))
        picture = self._evidence_png()
        return stacked([head, picture]) if picture else head

    def narrate(self) -> Text:
        """The comparison and the evidence in sentences."""
        if self.covered:
            return Text(self)
        told = [self.evidence.narrate()] if isinstance(self.evidence, Shown) else []
        return Text("\n".join([*self._table(measured=False), *told]))

    def _table(self, *, measured: bool) -> list[str]:
        rows = [line.cells(measured=measured) for line in self.lines]
        widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
        compared = [
            "   ".join(cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)) for row in rows
        ]
        return [f"{self.key}: your prediction beside the recording", *(line.rstrip() for line in compared)]

    def _card(self) -> list[str]:
        question = [self.question] if self.question else []
        return [
            f"{self.key} is covered: first your prediction, then the picture.",
            *question,
            "Change the cell with predict(...) above, run it, then run this cell again.",
        ]

    def _evidence_text(self) -> str:
        if isinstance(self.evidence, Recording):
            return self.evidence.text(self.overlay)
        return str(self.evidence)

    def _evidence_png(self) -> bytes | None:
        if isinstance(self.evidence, Recording):
            return self.evidence.png(self.overlay)
        return self.evidence.png() if isinstance(self.evidence, Shown) else None


def _compared(name: str, said: Any, truth: Any) -> Compared:
    varies = isinstance(truth, float)
    text = f"{truth:.2f}" if varies else _shown(truth)
    return Compared(name, "nothing" if said is None else _shown(said), text, _agrees(said, truth), varies)


def _shown(value: Any) -> str:
    return (
        f"{value:g}"
        if isinstance(value, float)
        else str(value)
        if isinstance(value, str)
        else json.dumps(value, default=str)
    )


def _agrees(said: Any, truth: Any) -> bool:
    said = _read(said) if isinstance(said, str) and isinstance(truth, (int, float)) else said
    if isinstance(truth, float) and isinstance(said, (int, float)) and not isinstance(said, bool):
        return abs(said - truth) <= max(NEAR * abs(truth), NEAR_S)
    if isinstance(said, str) and isinstance(truth, str):
        return said.strip().removesuffix("()").casefold() == truth.strip().casefold()
    return bool(said == json.loads(json.dumps(truth, default=str)))


def _read(said: str) -> Any:
    """The number that a text such as "11" or "0.3 s" means, else the text."""
    try:
        return float(said.strip().removesuffix("s"))
    except ValueError:
        return said


def _list(key: str, arrows: Any) -> list[str]:
    if not isinstance(arrows, (list, tuple)) or not all(isinstance(item, str) for item in arrows):
        raise LabError(f'{key}: arrows is a list of texts such as "Client -> Server: hello"')
    return list(arrows)


def _parsed(text: str) -> tuple[str, str, str]:
    found = _ARROW.fullmatch(text)
    if found is None:
        raise LabError(f'not an arrow: {text!r}. Write "Client -> Server: hello": from, to, and what it carries')
    return found["source"].strip(), found["target"].strip(), (found["label"] or "").strip()


def _overlay(arrows: Sequence[str], rows: Sequence[Row]) -> Overlay:
    """Match predicted with recorded arrows in order: the longest common sequence."""
    lanes = _lanes(rows)
    wanted = [(lanes.get(a.casefold(), a), lanes.get(b.casefold(), b), text) for a, b, text in map(_parsed, arrows)]
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
