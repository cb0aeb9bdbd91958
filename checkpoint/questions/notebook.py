"""What the notebook calls: `question(7)` shows, `answer(7, answer_7)` judges, `agenda()` says what to take first.

Rules of this file: nothing raises for what a learner wrote, and what is shown never holds the key.
"""

from wslab.errors import LabError

from . import attempts, desk
from .catalogue import ENOUGH, QUESTIONS
from .model import Unable, table


class Page:
    """A text in Markdown, shown as such in a notebook."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text

    def _repr_markdown_(self):
        return self.text


def question(number):
    """Show question `number` with this learner's values; new ones if the last try was missed.

    Raises:
        LabError: If there is no such question, or it cannot be run here.
    """
    asked = _known(number)
    attempt = attempts.begin(number)
    drawn = asked.drawn(attempts.seed(number))
    try:
        evidence = desk.collect(asked, drawn) if asked.shown else None
    except Unable as exc:
        raise LabError(f"question {number} cannot be run: {exc}") from None
    again = f" · try {attempt.turn}, with new values" if attempt.turn > 1 else ""
    read = f"\n\nTwice missed: first read {asked.section}." if attempt.misses > 1 else ""
    return Page(f"#### {number} · {asked.title}{again}\n\n{asked.ask(drawn, evidence)}{read}")


def answer(number, value):
    """Judge `value`, the answer to question `number`, beside a recording that is made now; returns the verdict.

    Raises:
        LabError: If there is no such question.
    """
    _known(number)
    verdict = desk.verdict_of(number, value)
    if verdict.recording is not None:
        verdict.recording.display()
    return verdict


def agenda():
    """All questions in the order in which to take them, with the reason and how far you are."""
    rows, right = [], 0
    for number, reason in attempts.first():
        attempt = attempts.of(number)
        right += attempt.right
        rows.append((f"[{number}](#Question-{number})", QUESTIONS[number].title, reason or "–"))
    return Page(f"{right} of {len(QUESTIONS)} right, {ENOUGH} needed\n\n{table(('question', '', 'why now'), rows)}")


def _known(number):
    if number not in QUESTIONS:
        raise LabError(f"there is no question {number!r}; there are 1 to {len(QUESTIONS)}")
    return QUESTIONS[number]
