"""`wslab export`: a learner's exercise notebooks in one zip, to hand in.

What is packed are the cells as they were written: no outputs (they hold paths of the learner's machine, and after a
pass the reference), no metadata, nothing of solutions, checks or wrong solutions.

Rules of this file: the learner's files are only read; a notebook that cannot be read is never left out in silence.
"""

from __future__ import annotations

import argparse
import getpass
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from .. import catalogue, state
from ..errors import LabError, say, say_many
from ..grading.grade import PRISTINE
from ..grading.rebuild import Notebook, answers, read

MADE = (1980, 1, 1, 0, 0, 0)  # the date of what is packed: the same work makes the same zip
# The last one holds the seed, which predictions and questions depend on.
STATE = ("predictions", "progress", "hints", "questions", "checkpoint", "learner")


def export(options: argparse.Namespace) -> int:
    """Pack what was begun; returns the exit status."""
    name = options.name or getpass.getuser()
    if not re.fullmatch(r"[^\W_][\w .-]*", name):
        raise LabError(say("{name!r} cannot be a name here: letters, digits, spaces, dots and - _", name=name))
    packed = {f"{name}/{lesson}.ipynb": notebook for lesson, notebook in _begun().items()}
    if not packed:
        raise LabError(say("no exercise has been begun in {folder}", folder=catalogue.folder().name))
    if options.state:
        packed[f"{name}/state.json"] = {part: state.read(part) for part in STATE}
    path = Path(options.to or f"wslab-{name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for file, content in packed.items():
            out.writestr(zipfile.ZipInfo(file, MADE), json.dumps(content, indent=1), zipfile.ZIP_DEFLATED)
    count = len(packed) - bool(options.state)
    print(say_many("{file}: {count} notebook packed", "{file}: {count} notebooks packed", count, file=path))
    return 0


def _begun() -> dict[str, Notebook]:
    """The exercise notebooks in which an answer is not as it shipped, by lesson."""
    found = {}
    for pristine in sorted(PRISTINE.glob("*.ipynb")):
        path = catalogue.folder() / pristine.name
        if path.exists():
            notebook = read(path)
            own = answers(read(pristine), notebook)
            if any(own.sources.get(exercise) != stub for exercise, stub in own.stubs.items()):
                found[pristine.stem] = _bare(notebook)
    return found


def _bare(notebook: Notebook) -> Notebook:
    cells: list[dict[str, Any]] = []
    for cell in notebook["cells"]:
        kept = {"cell_type": cell["cell_type"], "id": cell.get("id", ""), "metadata": {}, "source": cell["source"]}
        cells.append(kept | ({"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {}))
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
