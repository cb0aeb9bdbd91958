"""The path of each request of a recording: to the server, through its work, to success or error, and back.

A trace goes in, text and sentences come out; `paths_png` draws. What a request led to is known by its cause links.

Rules of this file: pure functions, and nothing that differs from run to run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import say, say_many
from ..trace import ASKING, DATA, Event, Kind, Trace
from .labels import label
from .scene import PUSHED, Arrow, scene
from .theme import escape, fit, width
from .work import line_of

COLUMNS, NAME, ENOUGH = 112, 16, 200
LIMIT, LIMIT_PNG, LAST = 24, 8, 3  # requests that are shown, the last ones among them; the middle is left out
GOOD_CODES = frozenset({1000, 1001, 1005})  # close codes that report no error
MARKS = {True: "✓", False: "✗", None: "·"}

Failed = Callable[[str], bool]
Key = tuple[str, str, int, int]  # a server, a connection and its life, a message


@dataclass(frozen=True, slots=True)
class Path:
    """One request: the stations it passed, what else came of it at station `fork`, and how it ended.

    `good` is `None` where nothing was answered.
    """

    number: int
    request: str
    stations: tuple[str, ...]
    good: bool | None
    branches: tuple[str, ...] = ()

    @property
    def fork(self) -> int:
        """The station at which the branches leave: success, error, or the work itself."""
        return min(4, len(self.stations) - 1)


def is_error(text: str) -> bool:
    """Is `text` an error reply: a JSON object with `"ok": false`, an `"error"` or `"type": "error"`?"""
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(reply, dict):
        return False
    return reply.get("ok") is False or reply.get("error") is not None or reply.get("type") == "error"


def paths(trace: Trace, failed: Failed = is_error) -> list[Path]:
    """Return the path of each request of `trace`, in canonical order."""
    found = scene(trace)
    led: dict[Key, list[Event]] = {}
    for arrow in found.arrows:
        if (cause := arrow.event.cause) is not None:
            key = (arrow.event.source, cause.connection, cause.life, cause.message)
            led.setdefault(key, []).append(arrow.event)
    result = []
    seen: set[Key] = set()
    for arrow in found.arrows:
        event = arrow.event
        if found.lanes[arrow.target].role != "server" or not event.up:
            continue
        if event.kind in DATA and event.ordinal is not None:
            key = (event.target, event.connection, event.life, event.ordinal)
            if key not in seen:
                seen.add(key)
                result.append(_message(arrow, led.get(key, []), failed))
        elif event.kind is Kind.REQUEST:
            answer = _answer(arrow, found.arrows)
            if answer is None or answer.code != 101:
                message = ASKING if event.ordinal is None else event.ordinal
                key = (event.target, event.connection, event.life, message)
                result.append(_http(arrow, answer, led.get(key, [])))
    return result


def finding(told: Sequence[Path]) -> str:
    """Return the title, computed from the paths."""
    if not told:
        return say("No request in this recording")
    good, bad, silent = (sum(path.good is outcome for path in told) for outcome in (True, False, None))
    parts = [say("{number} succeeded", number=good)] * bool(good)
    parts += [say("{number} failed", number=bad)] * bool(bad)
    parts += [say("{number} without an answer", number=silent)] * bool(silent)
    reported = sum(path.good is False and bool(path.branches) for path in told)
    if bad == 1:
        parts += [say("the error reported") if reported else say("the error not reported")]
    elif bad:
        parts += [say("{number} of the errors reported", number=reported)]
    return say_many("{count} request: {parts}", "{count} requests: {parts}", len(told), parts=", ".join(parts))


def shown(told: Sequence[Path], limit: int = LIMIT) -> Iterator[Path | int]:
    """The paths that are drawn; a number stands for so many that are left out."""
    if len(told) <= limit:
        yield from told
        return
    yield from told[: limit - LAST]
    yield len(told) - limit
    yield from told[-LAST:]


def legend(told: Sequence[Path]) -> str:
    """Return what explains the signs."""
    words = say("The number is that of the request's arrow in the diagram.")
    return f"{words} {say('· not answered')}" if any(path.good is None for path in told) else words


def more(hidden: int) -> str:
    """Return what stands where paths are left out."""
    return say_many("⋮ {count} more request", "⋮ {count} more requests", hidden)


def text(told: Sequence[Path], *, title: str = "") -> str:
    """Return the paths, a line each, with the branches under them."""
    lines = [escape(title) or finding(told)]
    drawn = [(path, _line(path) if isinstance(path, Path) else "") for path in shown(told)]
    wide = max((width(line) for _, line in drawn), default=0)
    digits = max((len(str(path.number)) for path in told), default=1)
    for path, line in drawn:
        if isinstance(path, int):
            lines.append(f"{'':{digits}}  {more(path)}")
            continue
        words = fit(path.request, max(COLUMNS - wide - digits - 5, 12))
        lines.append(f"{path.number:>{digits}}  {line}{' ' * (wide - width(line))}   {words}")
        before = width(" → ".join(path.stations[: path.fork])) + 3 + digits + 2
        for index, branch in enumerate(path.branches, 1):
            knee = "└" if index == len(path.branches) else "├"
            lines.append(f"{'':{before}}{knee}──▶ {fit(branch, max(COLUMNS - before - 5, 24))}")
    return "\n".join([*lines, "", legend(told)] if told else lines)


def narrate(told: Sequence[Path]) -> str:
    """Return one sentence for each request, and one for each branch."""
    lines = [f"{finding(told)}."]
    for path in told:
        stations = ", ".join(path.stations)
        lines.append(
            say("Arrow {number}, {request}: {stations}.", number=path.number, request=path.request, stations=stations)
        )
        lines += [f"{branch}." for branch in path.branches]
    return "\n".join(lines)


def _line(path: Path) -> str:
    return f"{' → '.join(path.stations)} {MARKS[path.good]}"


def _stations(event: Event, rest: Sequence[str]) -> tuple[str, ...]:
    client, server = (fit(escape(name), NAME) for name in (event.connection or event.source, event.target))
    back = [client] if rest else [say("no response")]
    return client, say("Request"), server, say("Process"), *rest, *back


def _message(arrow: Arrow, led: Sequence[Event], failed: Failed) -> Path:
    event = arrow.event
    own = [deed for deed in led if line_of(deed) == line_of(event)]
    replies = [reply for reply in own if reply.kind in DATA]
    closed = next((reply.code for reply in own if reply.kind is Kind.CLOSE), None)
    bad = any(failed(reply.text) for reply in replies) or (closed is not None and closed not in GOOD_CODES)
    if closed is not None and (bad or not replies):
        answer = say("Close {code}", code=closed)
    else:
        answer = say("Error Response") if bad else say("Response")
    good = not bad if own else None
    return _path(arrow, good, answer, [deed for deed in led if deed not in own])


def _http(arrow: Arrow, answer: Event | None, led: Sequence[Event]) -> Path:
    if answer is None:
        return _path(arrow, None, "", led)
    good = (answer.code or 0) < 400
    words = say("Response") if good else say("Error Response")
    return _path(arrow, good, f"{words} {answer.code}", [deed for deed in led if deed is not answer])


def _path(arrow: Arrow, good: bool | None, answer: str, led: Sequence[Event]) -> Path:
    rest = [] if good is None else [say("Success") if good else say("Error"), answer]
    branches = tuple(word for event in led if (word := _branch(event, good)))
    return Path(arrow.number, label(arrow.event).fit(ENOUGH), _stations(arrow.event, rest), good, branches)


def _branch(event: Event, good: bool | None) -> str:
    """What a request led to besides its answer: a log record, or a message to somebody else."""
    # Behind a balancer a message is for its client all the same.
    name = escape(event.connection if event.kind in PUSHED else event.target)
    words = label(event).fit(ENOUGH)
    if event.kind is Kind.LOG and "log" in event.target.casefold():
        return say("Log: {words}", words=words)
    if event.kind is Kind.LOG or (event.kind in PUSHED and good is False):
        return say("Notify {name}: {words}", name=name, words=words)
    return say("Push to {name}: {words}", name=name, words=words) if event.kind in PUSHED else ""


def _answer(asked: Arrow, arrows: Sequence[Arrow]) -> Event | None:
    """The answer to an HTTP request: the next response on its line."""
    return next(
        (
            arrow.event
            for arrow in arrows[asked.number :]
            if arrow.event.kind is Kind.RESPONSE and line_of(arrow.event) == line_of(asked.event)
        ),
        None,
    )
