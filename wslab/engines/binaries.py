"""Where the engines' programs are, and what to say where one is missing."""

from __future__ import annotations

import os
import shutil
import sysconfig

from ..errors import LabError, later, say

ENGINES = {"caddy": later("the load balancer"), "nats-server": later("the backplane")}


def available() -> bool:
    """Are all engines installed? Where not, print one line that says what is missing and what to do.

    A lesson then shows what `stored` gives in the place of what it would have recorded.
    """
    problems = [problem for engine in ENGINES if (problem := missing(engine))]
    for problem in problems:
        print(problem)
    return not problems


def find(engine: str) -> str:
    """The path of an engine's program.

    Raises:
        LabError: If it is not installed; the message says what to do.
    """
    if problem := missing(engine):
        raise LabError(problem)
    return _path(engine)


def missing(engine: str) -> str:
    """Why `engine` cannot be started here, or an empty string."""
    if _path(engine):
        return ""
    return say(
        "{engine} ({role}) is not installed: run 'pip install -r requirements.txt' in the folder of this course; "
        "where there is none for this kind of computer, the stored recordings are shown",
        engine=engine,
        role=say(ENGINES[engine]),
    )


def _path(engine: str) -> str:
    # The packages put it beside the programs of this Python, which is not on the PATH of every kernel.
    folders = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    return shutil.which(engine, path=folders) or ""
