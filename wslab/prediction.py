"""Predict, then reveal: a prediction is kept, and shown beside the recording that confirms or refutes it.

Values (`order=[1, 2, 0]`, `seconds=0.15`) are compared one by one; `arrows=["Client -> Server: hello", ...]` with the
arrows of the recording. Without a prediction a reveal shows a covered card, never an error.

Rules of this file: a wrong prediction costs nothing; what varies from run to run is shown in the picture only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import state
from .errors import LabError, say, say_many
from .pictures.cards import stacked, table
from .pictures.foreseen import match_arrows, parse_arrow
from .pictures.scene import Overlay
from .pictures.shown import Shown, Text
from .pictures.theme import width
from .recording import Recording

NEAR = 0.25  # a predicted time agrees if it is off by less than this share of the truth,
NEAR_S = 0.03  # or by less than this many seconds

_asked: dict[str, str] = {}


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
        raise LabError(say('predict("{key}") needs at least one value, such as predict("{key}", seconds=0.1)', key=key))
    _asked[key] = question
    open_ones = [name for name, value in values.items() if value is ...]
    kept = state.read("predictions")
    if open_ones:
        if kept.pop(key, None) is not None:
            state.write("predictions", kept)
        print(say("{key}: no prediction yet. Put yours in the place of ... and run this cell again.", key=key))
        return
    if "arrows" in values:
        for text in _list(key, values["arrows"]):
            parse_arrow(text)
    try:
        kept[key] = json.loads(json.dumps(values))
    except (TypeError, ValueError):
        raise LabError(say("{key}: a prediction is a number, a text, or a list of them", key=key)) from None
    state.write("predictions", kept)
    noted = ", ".join(f"{name}={value!r}" for name, value in values.items())
    print(say("{key}: noted: {values}", key=key, values=noted))


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
        overlay = match_arrows(prediction["arrows"], evidence.rows)
        met = len(overlay.foreseen)
        lines.append(
            Compared(
                say("arrows"),
                say_many("{count} arrow", "{count} arrows", len(prediction["arrows"])),
                say_many(
                    "{count} arrow, {met} of them foreseen",
                    "{count} arrows, {met} of them foreseen",
                    len(evidence.rows),
                    met=met,
                ),
                not overlay.unforeseen and not overlay.imagined,
            )
        )
    if lines:
        with state.changing("compared") as kept:  # the first time counts: what was revealed once is easily predicted
            kept.setdefault(key, all(line.agrees for line in lines))
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
        truth = self.truth if measured or not self.varies else say("a time, see the picture")
        verdict = say("✓ agrees") if self.agrees else say("✗ differs")
        return self.name, say("you said {value}", value=self.said), say("recorded {value}", value=truth), verdict


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
        title = say("{key}: your prediction beside the recording", key=self.key)
        return [title, *(line.rstrip() for line in compared)]

    def _card(self) -> list[str]:
        question = [self.question] if self.question else []
        return [
            say("{key} is covered: first your prediction, then the picture.", key=self.key),
            *question,
            say("Change the cell with predict(...) above, run it, then run this cell again."),
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
    return Compared(name, say("nothing") if said is None else _shown(said), text, _agrees(said, truth), varies)


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
        raise LabError(say('{key}: arrows is a list of texts such as "Client -> Server: hello"', key=key))
    return list(arrows)
