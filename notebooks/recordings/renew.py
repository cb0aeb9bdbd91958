"""Renew the stored recordings: python notebooks/recordings/renew.py NAME ...

Runs each named lesson, where all engines are installed, and saves the recordings that it would otherwise ask for:
`x = stored("04_path")` in its source means that its `x` is saved as 04_path.jsonl.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import build

from wslab.trace import Trace

STORED = re.compile(r'^ *(\w+) = .*\bstored\("(\w+)"\)', re.M)


def renew(lesson: Path) -> list[Path]:
    """Run `lesson`; returns the recordings that were written."""
    source = lesson.read_text(encoding="utf-8")
    wanted = {HERE / f"{name}.jsonl": variable for variable, name in STORED.findall(source)}
    saving = "\n".join(f"{variable}.save({str(path)!r})" for path, variable in wanted.items())
    before, mark, last = source.rpartition("\n# %%\n")  # the last cell stops everything
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(HERE.parent / "servers", Path(folder) / "servers")
        extended = Path(folder) / "source" / lesson.name
        extended.parent.mkdir()
        extended.write_text(f"{before}{mark}{saving}\n{mark}{last}", encoding="utf-8")
        build.lesson(extended)
    for path in wanted:
        trace = Trace.load(path)
        kept = Trace(
            event for event in trace if not event.keepalive
        )  # hundreds of health checks, which no picture shows
        kept.takes = trace.takes
        kept.save(path)
    return list(wanted)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for source in sorted(build.LESSONS.glob(f"{name}*.py")):
            for path in renew(source):
                print(path.name)
