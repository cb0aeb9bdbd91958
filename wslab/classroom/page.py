"""The class as one HTML file: who solved what, which misconceptions were met, and every line of feedback.

Rules of this file: no script, nothing from elsewhere, and every text that comes from a learner is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .. import catalogue
from ..errors import say, say_many
from ..grading.verdict import Outcome
from .misconceptions import Met, met, recognised
from .rows import Row, plain

SIGNS = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✗",
    Outcome.TIMED_OUT: "…",
    Outcome.CRASHED: "↯",
    Outcome.NOT_RUNNABLE: "?",
}
NOT_BEGUN = "○"
STYLE = """
:root { --ink: #1b1f24; --dim: #59636e; --line: #d5dae0; --good: #0072b2; --bad: #d55e00; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 70rem; margin: 2.5rem auto; }
body { padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .6rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; } .grid { font-size: 13px; } .grid tfoot td { font-size: 11px; }
.grid td, .grid thead th { text-align: center; padding: .25rem .1rem; min-width: 1.8rem; }
.grid th:first-child { text-align: left; padding: .25rem .6rem; }
.grid tfoot td, .grid tfoot th { border: 0; color: var(--dim); font-weight: 400; }
.passed { color: #fff; background: var(--good); } .failed { background: #fbe4d5; }
.timed, .crashed, .not { background: #f3e9f0; } .open { color: var(--dim); }
.number { text-align: right; white-space: nowrap; } .name { white-space: nowrap; }
.bar { display: inline-block; height: .7rem; background: var(--bad); margin-right: .5rem; }
.line, summary { overflow-wrap: anywhere; } details { border-bottom: 1px solid var(--line); padding: .35rem 0; }
details table { margin: .4rem 0 .8rem 1rem; width: calc(100% - 1rem); } details .line { width: 100%; }
summary { cursor: pointer; }
@media print { body { margin: 0; max-width: none; } details::details-content { content-visibility: visible; } }
"""
HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
"""


def page(rows: Sequence[Row]) -> str:
    """The report on `rows` as a whole HTML document."""
    learners = sorted({row.learner for row in rows}, key=str.casefold)
    order = list(catalogue.index())
    asked = {row.exercise for row in rows}
    exercises = [exercise for exercise in [*order, ""] if exercise in asked]
    title = say("What the class handed in")
    passed = say_many("{count} passed exercise", "{count} passed exercises", sum(row.passed for row in rows))
    parts = [
        _tag("h1", title),
        _tag("p", f"{say_many('{count} learner', '{count} learners', len(learners))}, {passed}.", "dim"),
        _tag("h2", say("Who solved what")),
        _grid(rows, learners, exercises),
        _tag("h2", say("Misconceptions that were met")),
        _misconceptions(met(rows)),
        _tag("h2", say("Line by line")),
        *(_learner(learner, rows) for learner in learners),
    ]
    return HEAD.format(title=escape(title), style=STYLE) + "\n".join(parts) + "\n</body>\n</html>\n"


def _grid(rows: Sequence[Row], learners: Sequence[str], exercises: Sequence[str]) -> str:
    found = {(row.learner, row.exercise): row for row in rows}
    index = catalogue.index()
    heads = [
        f'<th scope="col" title="{escape(str(index[e]["title"]) if e else "")}">{escape(e or say("file"))}</th>'
        for e in exercises
    ]
    lines = []
    for learner in learners:
        cells = [_mark(found.get((learner, exercise))) for exercise in exercises]
        lines.append(f'<tr><th scope="row">{_text(learner)}</th>{"".join(cells)}</tr>')
    totals = []
    for exercise in exercises:
        own = [row for row in rows if row.exercise == exercise]
        totals.append(f"<td>{sum(row.passed for row in own)}/{len(own)}</td>")
    foot = f'<tr><th scope="row">{escape(say("passed"))}</th>{"".join(totals)}</tr>'
    return (
        '<div class="wide"><table class="grid">'
        f'<thead><tr><th scope="col">{escape(say("learner"))}</th>{"".join(heads)}</tr></thead>\n'
        f"<tbody>{''.join(lines)}</tbody>\n<tfoot>{foot}</tfoot></table></div>\n" + _legend()
    )


def _mark(row: Row | None) -> str:
    if row is None:
        return "<td></td>"
    name, style, sign = _state(row)
    return f'<td class="{style}" title="{escape(name)}" aria-label="{escape(name)}">{sign}</td>'


def _state(row: Row) -> tuple[str, str, str]:
    """What is said of a row, its style, its sign."""
    if not row.begun:
        return say("not begun"), "open", NOT_BEGUN
    return row.verdict, row.verdict.split()[0], SIGNS[Outcome(row.verdict)]


def _legend() -> str:
    signs = [f"{sign} {outcome.value}" for outcome, sign in SIGNS.items()] + [f"{NOT_BEGUN} {say('not begun')}"]
    return _tag("p", " · ".join([*signs, say("empty: not handed in")]), "dim")


def _misconceptions(table: Iterable[Met]) -> str:
    lines = []
    for one in table:
        about, count = one.misconception, len(one.learners)
        bar = f'<span class="bar" style="width:{5 * count / max(1, one.began):.2f}rem"></span>'
        says = _text(about.line) or _dim(say("no wrong solution of the course"))
        lines.append(
            f'<tr><td>{escape(about.exercise)}</td><td class="number">{bar}{count}/{one.began}</td>'
            f'<td>{_text(about.name)}</td><td class="line">{says}<br>{_dim(", ".join(one.learners))}</td></tr>'
        )
    if not lines:
        return _tag("p", say("None."), "dim")
    heads = (say("exercise"), say("how many"), say("wrong solution"), say("what its check says, and who met it"))
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    note = say("How many of those who began the exercise. Words in braces stand for what was measured.")
    return f"{_tag('p', note, 'dim')}\n<table><thead><tr>{head}</tr></thead>\n<tbody>{''.join(lines)}</tbody></table>"


def _learner(learner: str, rows: Sequence[Row]) -> str:
    own = [row for row in rows if row.learner == learner]
    known = recognised(own)
    lines = []
    for row in own:
        name, style, sign = _state(row)
        about = f"<br>{_dim(known[row].name)}" if row in known else ""
        lines.append(
            f'<tr><td>{escape(row.exercise)}</td><td class="name {style}">{sign} {escape(name)}</td>'
            f'<td class="line">{_text(row.feedback)}{about}</td><td class="number">{row.seconds:.1f} s</td></tr>'
        )
    passed = sum(row.passed for row in own)
    summary = say("{learner}: {passed} of {all} passed", learner=plain(learner), passed=passed, all=len(own))
    return f"<details><summary>{escape(summary)}</summary>\n<table>{''.join(lines)}</table></details>"


def _tag(name: str, text: str, style: str = "") -> str:
    return f"<{name}{f' class={style}' if style else ''}>{escape(text)}</{name}>"


def _dim(text: str) -> str:
    return f'<span class="dim">{_text(text)}</span>'


def _text(text: str) -> str:
    return escape(plain(text))
