"""How far a learner is with each question: which try, how many misses, what was said last; and what comes first.

A try ends with a miss; `begin` then starts the next one, which has new values. Kept beside the learner's other state.

Rules of this file: a question that was answered is answered; what cannot be made sense of counts as not there.
"""

from dataclasses import asdict, dataclass, fields

from wslab import state

from .catalogue import QUESTIONS


@dataclass(frozen=True)
class Attempt:
    """The try at a question: its number, the misses so far; `over` if this try was missed, with what was said."""

    turn: int = 1
    misses: int = 0
    over: bool = False
    right: bool = False
    line: str = ""


def of(number):
    """The try at question `number`."""
    return _read(state.read("questions").get(str(number)))


def seed(number):
    """What the values of the current try at question `number` are drawn from."""
    return f"{state.seed()}/{number}/{of(number).turn}"


def begin(number):
    """The try at question `number`, a new one if the last was missed."""
    with state.changing("questions") as kept:
        attempt = _read(kept.get(str(number)))
        if attempt.over:
            attempt = Attempt(turn=attempt.turn + 1, misses=attempt.misses)
            kept[str(number)] = asdict(attempt)
    return attempt


def keep(number, line):
    """Keep that the try at question `number` was right, or was missed because of `line`."""
    with state.changing("questions") as kept:
        attempt = _read(kept.get(str(number)))
        missed = bool(line)
        kept[str(number)] = asdict(
            Attempt(attempt.turn, attempt.misses + missed, over=missed, right=not missed, line=line)
        )


def first():
    """The numbers of all questions in the order in which to take them, each with the reason.

    First what was missed here, then what comes back to predictions and exercises that went wrong, then the others;
    what was answered comes last.
    """
    wrong = _went_wrong()
    order = []
    for number, question in QUESTIONS.items():
        attempt = of(number)
        before = [name for name in question.about if name in wrong]
        if attempt.right:
            order.append((3, number, "answered"))
        elif attempt.misses:
            order.append((0, number, f"missed {attempt.misses}×: it comes back with new values"))
        elif before:
            order.append((1, number, f"comes back to {', '.join(before)}"))
        else:
            order.append((2, number, ""))
    return [(number, reason) for _, number, reason in sorted(order)]


def _went_wrong():
    """The predictions that differed, and the exercises that were tried and failed."""
    compared = state.read("compared")
    progress = state.read("progress")
    tried, passed, missed = (_part(progress, name) for name in ("tried", "passed", "missed"))
    return {name for name, agreed in compared.items() if agreed is False} | set(missed) | (set(tried) - set(passed))


def _part(kept, name):
    value = kept.get(name)
    return value if isinstance(value, dict) else {}


def _read(kept):
    try:
        attempt = Attempt(**kept)
    except TypeError:  # nothing kept, or nothing that this module wrote
        return Attempt()
    fits = all(type(getattr(attempt, field.name)) is type(field.default) for field in fields(Attempt))
    return attempt if fits and attempt.turn > 0 <= attempt.misses else Attempt()
