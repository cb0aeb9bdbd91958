"""The checkpoint as one HTML file: every verdict, and the recordings that it was judged by.

Rules of this file: no script, nothing from elsewhere, and every text that comes from a learner or a peer is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from itertools import groupby

from wslab.classroom.page import HEAD, NOT_BEGUN, SIGNS, STYLE
from wslab.errors import say
from wslab.pictures.theme import escape as visible

from .items import QUESTIONS, TITLES, Judged
from .lines import about
from .result import Result

SENTENCES = 80  # a longer recording is not read aloud as a whole
OWN_STYLE = """
h3 { font-size: .95rem; font-weight: 600; margin: 1.4rem 0 .2rem; }
.verdict { font-size: 1.15rem; margin: .8rem 0; }
.row { display: flex; gap: .7rem; align-items: baseline; list-style: none; }
.row::-webkit-details-marker { display: none; } div.row { border-bottom: 1px solid var(--line); padding: .35rem 0; }
.row::before { content: ""; width: .8rem; } summary.row::before { content: "▸"; }
[open] > .row::before { content: "▾"; }
.row .sign { min-width: 1.6rem; text-align: center; border-radius: .2rem; }
.row .name { min-width: 2.4rem; font-weight: 600; } .row .number { margin-left: auto; }
.more { margin: .3rem 0 1rem 4.7rem; } .more img { display: block; max-width: 100%; margin: .6rem 0; }
.line { margin: .3rem 0; } pre { overflow-x: auto; font-size: 11px; line-height: 1.35; }
@media (max-width: 45rem) { .more { margin-left: 0; } }
@media print { .row .sign { border: 1px solid currentColor; } }
"""


def page(judged: Sequence[Judged], result: Result, facts: Sequence[str]) -> str:
    """The report as a whole HTML document; `facts` tell what it was judged with."""
    title = say("Checkpoint")
    parts = [
        f"<h1>{escape(title)}</h1>",
        _p(result.verdict, "verdict"),
        *(_p(line) for line in result.lines),
        _p(" · ".join(facts), "dim"),
        _legend(),
    ]
    for part, group in groupby(judged, lambda one: one.item.part):
        parts.append(f"<h2>{escape(say(TITLES[part]))}</h2>")
        for number, ones in groupby(sorted(group, key=lambda one: one.item.group), lambda one: one.item.group):
            name = (
                say("Diagram {number}", number=number)
                if part == QUESTIONS
                else say("Milestone {number}", number=number)
            )
            parts.append(f"<h3>{escape(name)}</h3>")
            parts += map(_item, ones)
    head = HEAD.format(title=escape(title), style=STYLE + OWN_STYLE)
    return head + "\n".join(parts) + "\n</body>\n</html>\n"


def _item(one: Judged) -> str:
    name, style, sign = _state(one)
    core = f' <span class="dim">{escape(say("core"))}</span>' if one.item.core else ""
    took = f"{one.seconds:.1f} s" if one.begun else ""
    head = (
        f'<span class="sign {style}" role="img" aria-label="{escape(name)}">{sign}</span>'
        f'<span class="name">{escape(one.name)}</span>'
        f"<span>{_text(one.item.title)}{core}</span>"
        f'<span class="number dim">{took}</span>'
    )
    lines = [_p(line, "line") for line in about(one)]
    if one.answer:
        lines.append(_p(say("answered: {answer}", answer=visible(one.answer)), "dim line"))
    more = "".join(lines) + (_recording(one) if one.recording is not None else "")
    if not more:
        return f'<div class="row">{head}</div>'
    opened = " open" if one.begun and not one.passed else ""
    return f'<details{opened}><summary class="row">{head}</summary>\n<div class="more">{more}</div></details>'


def _recording(one: Judged) -> str:
    """The picture with its narration for who cannot see it, and the whole recording as text."""
    assert one.recording is not None
    data = base64.b64encode(one.recording.png()).decode("ascii")
    return (
        f'<img src="data:image/png;base64,{data}" alt="{_text(_spoken(one))}">\n'
        f"<details><summary>{escape(say('the recording as text'))}</summary>\n"
        f"<pre>{escape(one.recording.text())}</pre></details>"
    )


def _spoken(one: Judged) -> str:
    """The picture in sentences; of a long recording those of the arrows that the picture shows at most."""
    sentences = one.narration.split("\n")
    if len(sentences) <= SENTENCES:
        return "\n".join(sentences)
    near = SENTENCES // 4
    marked = next((n for n, line in enumerate(sentences) if line.startswith(f"{one.arrow}. ")), 0)
    kept = [line for n, line in enumerate(sentences) if min(n, len(sentences) - 1 - n, abs(n - marked)) < near]
    left_out = say("{count} sentences are left out.", count=len(sentences) - len(kept))
    return "\n".join([*kept, left_out])


def _state(one: Judged) -> tuple[str, str, str]:
    """What is said of an item, its style, its sign."""
    if not one.begun:
        return say("not begun"), "open", NOT_BEGUN
    return one.verdict.value, one.verdict.value.split()[0], SIGNS[one.verdict]


def _legend() -> str:
    signs = [f"{sign} {outcome.value}" for outcome, sign in SIGNS.items()] + [f"{NOT_BEGUN} {say('not begun')}"]
    return _p(" · ".join(signs), "dim")


def _p(text: str, style: str = "") -> str:
    return f'<p class="{style}">{_text(text)}</p>'


def _text(text: str) -> str:
    return escape("\n".join(visible(line) for line in text.split("\n")))
