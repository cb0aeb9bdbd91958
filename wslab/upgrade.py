"""A learner's notebook carried into the notebook of a newer kit: `merged(pristine, learner)`.

The kit's cells are known by their ids: answers, checks, and others whose id is the hash of their source as it shipped.
So what a learner changed is told from what the kit changed. Carried are answers, predictions, changed cells and added
ones; outputs are not. Where a cell has no place any more, its text is kept at the end, in a cell that says so.

Rules of this file: notebooks as JSON in and out, no files; whatever a learner wrote is somewhere in the result.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .errors import say
from .grading.rebuild import Notebook, source_of

Cell = dict[str, Any]
HASHED = re.compile(r"([0-9a-f]{12})(-\d+)?")
OPEN = "..."


@dataclass
class Merged:
    """The new notebook, how many of the learner's cells found their place in it, and how many are kept at its end."""

    notebook: Notebook
    carried: int = 0
    kept: int = 0

    @property
    def text(self) -> str:
        """The notebook as a file holds it."""
        return json.dumps(self.notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"

    def says(self, notebook: Notebook) -> bool:
        """Does `notebook` hold the same cells already, apart from outputs?"""
        return _cells(self.notebook) == _cells(notebook)


def merged(pristine: Notebook, learner: Notebook) -> Merged:
    """The cells of `pristine` with what is the learner's own in `learner`, which may be of an older kit."""
    return _Merge(pristine, learner).result()


@dataclass
class _Merge:
    pristine: Notebook
    learner: Notebook
    carried: int = 0
    places: dict[str, Cell] = field(default_factory=dict)  # the new notebook's cells by id
    added: dict[str, list[Cell]] = field(default_factory=dict)  # the learner's own, by the id of the cell before
    kept: list[Cell] = field(default_factory=list)

    def result(self) -> Merged:
        self.places = {str(cell["id"]): copy.deepcopy(cell) for cell in self.pristine["cells"]}
        seen: set[str] = set()
        before = ""
        for cell in self.learner["cells"]:
            cell_id = str(cell.get("id") or _digest(source_of(cell)))
            if cell_id in self.places and cell_id not in seen:
                seen.add(cell_id)
                before = cell_id
                self._put(cell_id, cell)
            elif _shipped(cell_id):
                self._homeless(cell_id, cell)
            else:
                self.added.setdefault(before, []).append(_bare(cell))
                self.carried += 1
        cells = [*self.added.get("", [])]
        for cell_id, cell in self.places.items():
            cells += [cell, *self.added.get(cell_id, [])]
        notebook = {**self.pristine, "cells": _numbered([*cells, *self.kept])}
        return Merged(notebook, self.carried, len(self.kept))

    def _put(self, cell_id: str, cell: Cell) -> None:
        """Take over what the learner made of a cell that the new notebook has, too."""
        place, source = self.places[cell_id], source_of(cell)
        if cell_id.startswith("check-") or source == source_of(place):
            return
        if cell_id.startswith("answer-") and cell["cell_type"] != "code":
            self._keep(cell_id, cell)
            return
        self.places[cell_id] = _bare(cell) | {"id": cell_id, "metadata": place["metadata"]}
        self.carried += 1

    def _homeless(self, cell_id: str, cell: Cell) -> None:
        """Take care of a cell of the kit that the new notebook does not have, or has already."""
        source = source_of(cell)
        if cell_id.startswith("check-") or _unchanged(cell_id, source) or not source.strip():
            return
        if any(source == source_of(place) for place in self.places.values()):
            return
        made = list(_predictions(source))
        if made and all(self._predict(*prediction) for prediction in made) and _unchanged(cell_id, _unmade(source)):
            self.carried += 1
        else:
            self._keep(cell_id, cell)

    def _predict(self, key: str, name: str, span: tuple[int, int], value: str) -> bool:
        """Put a prediction into the place that the new notebook has for it."""
        for place in self.places.values():
            source = source_of(place)
            for place_key, place_name, (start, end), open_ in _values(source):
                if (place_key, place_name, open_) == (key, name, OPEN):
                    data = source.encode()
                    _fill(place, (data[:start] + value.encode() + data[end:]).decode())
                    return True
        return False

    def _keep(self, cell_id: str, cell: Cell) -> None:
        source = source_of(cell)
        said = say(
            "Kept from your notebook, which had it in the cell `{cell}`; there is no place for it any more.",
            cell=cell_id,
        )
        if cell["cell_type"] == "code":
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", source)), default=0))
            source = f"{fence}python\n{source}\n{fence}"
        kept: Cell = {"cell_type": "markdown", "id": "", "metadata": {}}
        _fill(kept, f"{said}\n\n{source}")
        self.kept.append(kept)


def _predictions(source: str) -> Iterator[tuple[str, str, tuple[int, int], str]]:
    """The values of a cell's predictions that were made."""
    return (found for found in _values(source) if found[3] != OPEN)


def _values(source: str) -> Iterator[tuple[str, str, tuple[int, int], str]]:
    """The values in a cell's calls of `predict`: prediction, name, place in bytes, source."""
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        data = source.encode()
    except (SyntaxError, ValueError, RecursionError):
        return
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for call in calls:
        if not (isinstance(call.func, ast.Name) and call.func.id == "predict"):
            continue
        key = call.args[0] if call.args else None
        for word in call.keywords if isinstance(key, ast.Constant) else ():
            value = word.value
            if word.arg is not None and value.end_lineno is not None and value.end_col_offset is not None:
                start = starts[value.lineno - 1] + value.col_offset
                end = starts[value.end_lineno - 1] + value.end_col_offset
                yield ast.unparse(call.args[0]), word.arg, (start, end), data[start:end].decode()


def _unmade(source: str) -> str:
    """A cell without the predictions that were made in it."""
    data = source.encode()
    for _, _, (start, end), _ in sorted(_predictions(source), key=lambda found: -found[2][0]):
        data = data[:start] + OPEN.encode() + data[end:]
    return data.decode()


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode(errors="surrogatepass")).hexdigest()[:12]


def _shipped(cell_id: str) -> bool:
    return cell_id.startswith(("answer-", "check-")) or HASHED.fullmatch(cell_id) is not None


def _unchanged(cell_id: str, source: str) -> bool:
    found = HASHED.fullmatch(cell_id)
    return found is not None and found[1] == _digest(source)


def _bare(cell: Cell) -> Cell:
    """A cell without what running it has left."""
    out = {key: copy.deepcopy(value) for key, value in cell.items() if key not in ("outputs", "execution_count")}
    out.setdefault("metadata", {})
    return out | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})


def _numbered(cells: list[Cell]) -> list[Cell]:
    """`cells` with an id each; those without one, or with one that is taken, get a hash of their source."""
    taken: set[str] = set()
    for cell in cells:
        wanted = str(cell.get("id") or "") or f"kept-{_digest(source_of(cell))}"
        number = next(n for n in range(len(cells) + 1) if (f"{wanted}-{n}" if n else wanted) not in taken)
        cell["id"] = f"{wanted}-{number}" if number else wanted
        taken.add(cell["id"])
    return cells


def _fill(cell: Cell, source: str) -> None:
    cell["source"] = source.splitlines(keepends=True)
    if cell["cell_type"] == "code":
        cell |= {"outputs": [], "execution_count": None}


def _cells(notebook: Notebook) -> list[tuple[object, object, str]]:
    return [(cell.get("id"), cell["cell_type"], source_of(cell)) for cell in notebook["cells"]]
