"""The process in which one part of the checkpoint is judged: a request on stdin, a line for each verdict on stdout.

A request is a line of JSON: the part, the names of its items, where the learner's work is, the seed, a folder for
recordings, and a key. A reply is a verdict with that key; they come in the order of the names.

Rules of this file: what is printed here goes to stderr; when stdin ends, whoever asked has gone, and everything that
was started here ends, this process included.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from wslab.errors import LabError, say
from wslab.grading.verdict import Outcome
from wslab.grading.worker import clear_up, limit
from wslab.recording import Recording
from wslab.trace import Trace

from .items import CAPSTONE, QUESTIONS, load, trials

LINE_CHARACTERS, BEGINNING = 2000, 1024
FILE_BYTES = 256 << 20  # the store of three servers is among them
VERDICTS = {"right": Outcome.PASSED, "unable": Outcome.NOT_RUNNABLE}  # of a question; else it has failed

Tell = Callable[[dict[str, Any]], None]


def main() -> None:
    """Judge what the request asks for."""
    limit(FILE_BYTES)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.loads(_line())
    threading.Thread(target=_listen, daemon=True).start()

    def tell(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message | {"key": request["key"]}) + "\n")
        replies.flush()

    try:
        PARTS[request["part"]](request, tell)
    except LabError as exc:
        for name in request["names"]:
            line = say("{name}: not runnable: {problem}", name=name, problem=exc)
            tell({"name": name, "verdict": Outcome.NOT_RUNNABLE, "line": line})


def _line() -> bytes:
    """The first line of stdin, read without a buffer, which a thread could hold when this process ends."""
    line = b""
    while not line.endswith(b"\n") and (some := os.read(0, 1 << 16)):
        line += some
    return line


def _listen() -> None:
    while os.read(0, 1 << 16):
        pass
    clear_up()


def _questions(request: dict[str, Any], tell: Tell) -> None:
    numbers = [int(name[1:]) for name in request["names"]]
    for verdict in load("questions.desk").judge_notebook(Path(request["work"]), only=numbers):
        told = VERDICTS.get(verdict.status, Outcome.FAILED)
        tell(
            {
                "name": f"Q{verdict.number}",
                "verdict": told,
                "line": verdict.line[:LINE_CHARACTERS],
                "begun": verdict.status != "open",
                "note": verdict.lesson if verdict.status == "wrong" and verdict.misses > 1 else "",
                "arrow": verdict.arrow,
                "seconds": verdict.seconds,
                "seed": verdict.seed,
                "answer": "" if verdict.answer is None else repr(verdict.answer)[:LINE_CHARACTERS],
                **_kept(verdict.recording, request, f"Q{verdict.number}"),
            }
        )


def _capstone(request: dict[str, Any], tell: Tell) -> None:
    asyncio.run(_tried(request["names"], request, tell))


async def _tried(names: Iterable[str], request: dict[str, Any], tell: Tell) -> None:
    outcomes = trials().run_all(names, Path(request["work"]), request["seed"])
    async with aclosing(outcomes):
        async for outcome in outcomes:
            tell(
                {
                    "name": outcome.name,
                    "verdict": outcome.verdict,
                    "line": outcome.line[:LINE_CHARACTERS],
                    "note": outcome.note[:LINE_CHARACTERS],
                    "arrow": outcome.arrow,
                    "seconds": outcome.seconds,
                    "seed": str(request["seed"]),
                    **_kept(outcome.recording, request, outcome.name),
                }
            )


def _kept(recording: Recording | None, request: dict[str, Any], name: str) -> dict[str, str]:
    """Where the recording is kept for whoever asked, and its title; of a very large one the beginnings of its data."""
    if recording is None or not recording.trace.events:
        return {}
    path = Path(request["recordings"]) / f"{name}.jsonl"
    for trace in (recording.trace, _cut(recording.trace)):
        with suppress(OSError, LabError):  # too large, or no room: there is a verdict all the same
            trace.save(path)
            return {"recording": str(path), "title": recording.title}
    return {}


def _cut(trace: Trace) -> Trace:
    cut = Trace(replace(event, raw=event.raw[:BEGINNING], payload=event.payload[:BEGINNING]) for event in trace)
    cut.takes.update(trace.takes)
    return cut


PARTS: dict[str, Callable[[dict[str, Any], Tell], None]] = {QUESTIONS: _questions, CAPSTONE: _capstone}


if __name__ == "__main__":
    main()
