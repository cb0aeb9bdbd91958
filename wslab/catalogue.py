"""The exercises as data: the index `exercises/exercises.toml`, and the behaviours in `exercises/checks`.

The behaviours of a lesson stand in `lesson_N.py`, or divided by subject in several `lesson_N_subject.py`.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path
from typing import Any

from . import state
from .errors import LabError, say
from .judge import forget


def folder() -> Path:
    """Where the exercises lie: `WSLAB_EXERCISES`, or `exercises/` of the checkout.

    Raises:
        LabError: If there is no such folder.
    """
    path = Path(os.environ.get("WSLAB_EXERCISES") or state.ROOT / "exercises")
    if not (path / "exercises.toml").is_file():
        raise LabError(
            say("the exercises are not here: work in a checkout of the kit, installed with 'python3 start.py'")
        )
    return path


def index() -> dict[str, dict[str, Any]]:
    """All exercises by id, as `exercises.toml` lists them."""
    path = folder() / "exercises.toml"
    return _read(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)  # a check asks several times, and reading takes 10 ms
def _read(path: Path, changed_ns: int) -> dict[str, dict[str, Any]]:
    import tomllib  # 20 ms, for checks only

    return tomllib.loads(path.read_text(encoding="utf-8"))


def entry(exercise: str) -> dict[str, Any]:
    """What the index says about `exercise`.

    Raises:
        LabError: If there is no such exercise.
    """
    known = index()
    if exercise not in known:
        raise LabError(
            say("there is no exercise {exercise!r}; there are {known}", exercise=exercise, known=", ".join(known))
        )
    return known[exercise]


def names(exercise: str) -> list[str]:
    """What the objects that a learner hands in are called, where an exercise asks for several; else one empty name."""
    return list(map(str, entry(exercise).get("names", [""])))


def checks() -> Path:
    """The folder of the behaviours."""
    return folder() / "checks"


def load_behaviours(exercise: str) -> None:
    """Register the behaviours and drivers of the lesson that `exercise` belongs to.

    Raises:
        LabError: If there is no such exercise.
    """
    entry(exercise)
    lesson = exercise.split(".")[0]
    forget(lesson)
    for path in sorted([*checks().glob(f"lesson_{lesson}.py"), *checks().glob(f"lesson_{lesson}_*.py")]):
        spec = importlib.util.spec_from_file_location(f"wslab_checks.{path.stem}", path)
        assert spec is not None and spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
