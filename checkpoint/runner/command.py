"""`wslab checkpoint`: judge the learner's answers and capstone, and tell what they come to.

Rules of this file: status 0 only when what was asked for is passed; the learner's work is only read; Ctrl+C ends what
runs and writes what there is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from wslab import state
from wslab.errors import say, say_many
from wslab.grading.verdict import Outcome

from . import items, lines
from .items import Item, Judged
from .junit import junit
from .page import page
from .result import Result, as_dict, remember, result
from .run import Seen, judge

FAILED, INTERRUPTED = 1, 130
PRISTINE = state.ROOT / "wslab" / "pristine" / "checkpoint"


def checkpoint(options: argparse.Namespace) -> int:
    """Judge what was asked for; returns the exit status."""
    if options.start:
        return start()
    asked = items.wanted(
        options.items, questions=options.questions, capstone=options.capstone, milestone=options.milestone
    )
    seed = fresh_seed() if options.seed is None else options.seed
    out = sys.stderr if options.json else sys.stdout
    judged: list[Judged] = []
    status = 0
    print(lines.opening(asked, seed), file=out, flush=True)
    try:
        asyncio.run(_judge(asked, seed, judged, as_json=options.json))
    except KeyboardInterrupt:
        status = INTERRUPTED
    if options.html:
        print(say("drawing the recordings for {file}", file=options.html), file=sys.stderr, flush=True)
    told, record = finish(judged, len(asked), seed, junit_file=options.junit, html_file=options.html)
    if options.json:
        print(json.dumps(record, ensure_ascii=False), flush=True)
    else:
        print("\n".join(ending(judged, told, seed)), flush=True)
    return status or (0 if told.passed else FAILED)


async def _judge(asked: Sequence[Item], seed: int, judged: list[Judged], *, as_json: bool) -> None:
    bar, seen = lines.Bar(asked), Seen()
    bar.show()
    try:
        async with aclosing(judge(asked, seed, seen)) as verdicts:
            async for one in verdicts:
                judged.append(one)
                bar.done(one)
                with bar.away():
                    if not as_json:
                        print(lines.told(one), flush=True)
    finally:
        bar.end()
    if seen.left_behind:
        text = say_many(
            "{count} process that was left behind has been ended",
            "{count} processes that were left behind have been ended",
            seen.left_behind,
        )
        print(text, file=sys.stderr, flush=True)


def finish(
    judged: Sequence[Judged], asked: int, seed: int, *, junit_file: str = "", html_file: str = ""
) -> tuple[Result, dict[str, Any]]:
    """Keep the record of a run of `asked` items, and write the reports that are wanted; returns result and record.

    Raises:
        OSError: If a report cannot be written.
    """
    told = result(judged, asked)
    record = as_dict(judged, told, seed)
    remember(record)
    if junit_file:
        state.replace_file(Path(junit_file), junit(judged))
    if html_file:
        facts = [say("seed {seed}", seed=seed), *(f"{name} {number}" for name, number in record["versions"].items())]
        state.replace_file(Path(html_file), page(judged, told, facts))
    return told, record


def ending(judged: Sequence[Judged], told: Result, seed: int) -> list[str]:
    """The lines below all verdicts."""
    out = ["", *told.lines, told.verdict]
    out += lines.first_steps(judged)
    failed = {one.item.part for one in judged if one.begun and one.verdict is Outcome.FAILED}
    if items.QUESTIONS in failed:
        out.append(say("A question that was missed has new values: run its cell with question(...) again."))
    if items.CAPSTONE in failed:
        names = " ".join(one.name for one in judged if one.item.part == items.CAPSTONE and one.begun and not one.passed)
        out.append(say("The same scenarios again: wslab checkpoint {names} --seed {seed}", names=names, seed=seed))
    return out


def fresh_seed() -> int:
    """A seed that no app can know."""
    return secrets.randbelow(900_000) + 100_000


def start() -> int:
    """Put what the learner works on where it belongs; what is there stays as it is."""
    starter = items.trials().STARTER
    parts = [path for path in sorted(starter.rglob("*")) if path.is_file() and path.parent.name != "__pycache__"]
    yours = {PRISTINE / items.notebook().name: items.notebook()}
    yours |= {path: items.work() / path.relative_to(starter) for path in parts}
    for source, path in yours.items():
        if path.exists():
            print(say("{file} is there already, and stays as it is", file=lines.shown(path)))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        state.replace_file(path, source.read_text(encoding="utf-8"))
        print(say("{file} is yours now", file=lines.shown(path)))
    return 0
