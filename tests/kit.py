"""What several tests share: the exercises as data, and the notebooks' builder."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = ROOT / "exercises"


def module(path: Path):
    """Import the file at `path` under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"kit_{path.parent.name}_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


build = module(ROOT / "notebooks" / "build.py")


def references() -> dict[str, str]:
    """The reference answers by exercise, as source."""
    found = {}
    for source in sorted((EXERCISES / "solutions").glob("*.py")):
        found |= build.answers(source)
    return found


def setup(exercise: str) -> str:
    """The first code cell of an exercise's notebook: what it imports."""
    return next(cell.source for cell in build.exercise(_source(exercise)).cells if cell.cell_type == "code")


def _source(exercise: str) -> Path:
    return next((EXERCISES / "solutions").glob(f"{int(exercise.split('.')[0]):02d}_*.py"))


def asked(exercise: str) -> list[str]:
    """The names that an exercise asks for: what its check cell hands over."""
    cells = build.exercise(_source(exercise)).cells
    check = next(cell.source for cell in cells if cell.id == f"check-{exercise.replace('.', '-')}")
    return [node.id for node in ast.parse(check).body[-1].value.args[1:]]


def picked(loaded, exercise: str) -> list:
    """What a module holds under the names that an exercise asks for."""
    return [getattr(loaded, name) for name in asked(exercise)]


def define(exercise: str, source: str) -> list:
    """Run `source` as the answer cell of `exercise`, after the notebook's first; returns what its check is given."""
    names = {"__name__": "__main__"}
    exec(compile(setup(exercise), "<setup>", "exec"), names)
    exec(compile(source, f"<answer {exercise}>", "exec"), names)
    return [names[name] for name in asked(exercise)]


def cases(kind: str) -> list[Path]:
    """All wrong ("mutants") or unusual right ("unusual") solutions."""
    return sorted((EXERCISES / kind).glob("*/*.py"))


def number(path: Path) -> str:
    """The exercise that a wrong or unusual solution belongs to."""
    return path.parent.name.replace("_", ".")


def matches(line: str, pattern: str) -> bool:
    """Does a feedback line fit its pattern, whose `{names}` stand for measured values?"""
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+?", re.escape(pattern)), line, re.S) is not None
