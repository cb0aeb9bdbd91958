"""Recordings that are kept, and the texts that are expected of them."""

import os
from pathlib import Path

from wslab.trace import Trace

GOLDEN = Path(__file__).parent / "golden"


def recorded(name):
    """Load the recording `name` of `golden/`."""
    return Trace.load(GOLDEN / f"{name}.jsonl")


def assert_golden(name, text):
    """Compare `text` with the file `name` of `golden/`; with WSLAB_GOLDEN=write the file is written instead."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("WSLAB_GOLDEN") == "write":
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")


def chunks(png):
    """The names of the chunks of a PNG file."""
    names, at = [], 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        names.append(png[at + 4 : at + 8].decode())
        at += 12 + length
    return names
