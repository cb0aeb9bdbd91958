"""Everything in the seven diagrams that the course grew from is in a lesson: said, and drawn by a recording."""

import re
import tomllib

import nbformat
import pytest
from kit import ROOT

ENTRIES = tomllib.loads((ROOT / "tests" / "seed_coverage.toml").read_text(encoding="utf-8"))["seed"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry['diagram']}: {entry['says'][0]}")
def test_it_is_shown(entry):
    """The named cell stands in the lesson, and the stored outputs show what is said to be drawn."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{entry['lesson']}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert any(entry["cell"] in cell.source for cell in code), entry["cell"]
    outputs = [output for cell in code for output in cell.outputs]
    texts = [str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", "")) for output in outputs]
    shown = "\n".join(texts)
    assert [words for words in entry["drawn"] if words not in shown] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry['diagram']}: {entry['says'][0]}")
def test_it_is_said(entry):
    """Each word of the seed's line stands in the lesson's own text, so nothing of the diagram is lost."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{entry['lesson']}.ipynb", as_version=4)
    prose = " ".join(cell.source for cell in notebook.cells).lower()
    words = [word for line in entry["says"] for word in re.findall(r"[a-z]{4,}", line.lower())]
    assert [word for word in words if word not in prose] == []


def test_every_diagram_is_covered():
    """Seven diagrams and the summary."""
    assert {entry["diagram"][0] for entry in ENTRIES} == {*"1234567", "s"}
