"""Recordings that were made elsewhere, for where an engine is missing."""

from __future__ import annotations

from ..errors import say
from ..recording import Recording
from ..state import ROOT
from ..trace import Trace

RECORDINGS = ROOT / "notebooks" / "recordings"


def stored(name: str) -> Recording:
    """Read the stored recording `name`; every picture of it says that it is stored.

    Raises:
        RecordingError: If there is none, or it cannot be read.
    """
    return Recording(
        Trace.load(RECORDINGS / f"{name}.jsonl"), title=say("stored recording, not made here: {name}", name=name)
    )
