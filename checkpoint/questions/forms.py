"""The shapes that an answer may have: what fits, what agrees with the truth, and how likely a guess is to.

A form says what it `asks`; whether a value `fits` at all; whether it `agrees` with what was recorded. `guess` draws one
of the values that somebody could write who knows the shape and nothing else, each as likely as any other, and `chance`
is how likely such a guess agrees.

Rules of this file: values only; nothing is run and nothing is drawn from a recording.
"""

import math
from dataclasses import dataclass

LARGEST = 1e9  # no answer is larger; what is too large for a float, infinite or no number is none


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`; at most `within` beside the truth."""

    low: int
    high: int
    within: int = 0

    @property
    def asks(self):
        return "a whole number"

    @property
    def chance(self):
        return min(1.0, (2 * self.within + 1) / (self.high - self.low + 1))

    def fits(self, value):
        return isinstance(value, int) and not isinstance(value, bool)

    def agrees(self, said, right):
        return abs(said - right) <= self.within

    def guess(self, dice):
        return dice.randint(self.low, self.high)


@dataclass(frozen=True)
class Seconds:
    """A time in seconds up to `longest`, told in steps; right within `within` of what was measured.

    `never` is the word for what does not happen, where that may be an answer.
    """

    longest: float
    step: float = 0.05
    within: float = 0.02
    never: str = ""

    @property
    def asks(self):
        return f'seconds, such as 0.15, or "{self.never}"' if self.never else "seconds, such as 0.15"

    @property
    def values(self):
        return [round(n * self.step, 3) for n in range(round(self.longest / self.step) + 1)]

    @property
    def chance(self):
        steps = 1 + 2 * int(self.within / self.step + 1e-9)
        return min(1.0, steps / (len(self.values) + bool(self.never)))

    def fits(self, value):
        return (bool(self.never) and value == self.never) or is_number(value)

    def agrees(self, said, right):
        if self.never in (said, right):
            return said == right
        return abs(said - right) <= self.within + 1e-9

    def guess(self, dice):
        return dice.choice([*self.values, *([self.never] if self.never else [])])


@dataclass(frozen=True)
class OneOf:
    """One of these values; a pair may be written as a tuple or as a list."""

    options: tuple

    @property
    def asks(self):
        shown = ", ".join(map(repr, self.options[:4]))
        return f"one of {shown}" if len(self.options) < 5 else f"a value such as {shown}"

    @property
    def chance(self):
        return 1 / len(self.options)

    def fits(self, value):
        kinds = {type(option) for option in self.options}
        return type(_plain(value)) in kinds

    def agrees(self, said, right):
        return type(_plain(said)) is type(_plain(right)) and _plain(said) == _plain(right)

    def guess(self, dice):
        return dice.choice(self.options)


def _plain(value):
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Order:
    """All of these values, in an order."""

    items: tuple

    @property
    def asks(self):
        return f"a list of {len(self.items)}, such as {list(self.items)}"

    @property
    def chance(self):
        return 1 / math.factorial(len(self.items))

    def fits(self, value):
        return isinstance(value, list | tuple) and sorted(map(repr, value)) == sorted(map(repr, self.items))

    def agrees(self, said, right):
        return list(said) == list(right)

    def guess(self, dice):
        return dice.sample(self.items, len(self.items))


@dataclass(frozen=True)
class SomeOf:
    """Some of these values, all or none; as a set or a list."""

    items: tuple

    @property
    def asks(self):
        return f"a set such as {{{', '.join(map(repr, self.items[:2]))}}}, or set() for none"

    @property
    def chance(self):
        return 0.5 ** len(self.items)

    def fits(self, value):
        if value == {}:  # what many write for the empty set
            return True
        return isinstance(value, set | list | tuple) and all(item in self.items for item in value)

    def agrees(self, said, right):
        return set(said) == set(right)

    def guess(self, dice):
        return {item for item in self.items if dice.random() < 0.5}


@dataclass(frozen=True)
class Stretch:
    """Whole numbers in a row between `low` and `high`, each one written, or none."""

    low: int
    high: int

    @property
    def asks(self):
        return "a list of numbers such as [3, 4, 5], or []"

    @property
    def chance(self):
        count = self.high - self.low + 1
        return 1 / (1 + count * (count + 1) // 2)

    def fits(self, value):
        return isinstance(value, list | tuple) and all(type(item) is int for item in value)

    def agrees(self, said, right):
        return list(said) == list(right)

    def guess(self, dice):
        ends = [(one, end) for one in range(self.low, self.high + 1) for end in range(one, self.high + 1)]
        one, end = dice.choice([(1, 0), *ends])
        return list(range(one, end + 1))


@dataclass(frozen=True)
class Places:
    """From `least` to `most` places in `length` bytes, as a list; a guess takes any number of them."""

    length: int
    most: int
    least: int = 0

    @property
    def asks(self):
        return "a list of places such as [5, 71], or []"

    @property
    def chance(self):
        fewest = 1 / (self.most - self.least + 1)  # that number is right; then none of the more is as likely to agree
        return fewest / math.comb(self.length, self.least)

    def fits(self, value):
        return isinstance(value, list | tuple | set) and all(type(item) is int for item in value)

    def agrees(self, said, right):
        return sorted(said) == sorted(right)

    def guess(self, dice):
        return sorted(dice.sample(range(self.length), dice.randint(self.least, self.most)))


@dataclass(frozen=True)
class Word:
    """A text; a guess takes one of `vocabulary`."""

    vocabulary: tuple

    @property
    def asks(self):
        return "a text"

    @property
    def chance(self):
        return 1 / len(self.vocabulary)

    def fits(self, value):
        return isinstance(value, str)

    def agrees(self, said, right):
        return said == right

    def guess(self, dice):
        return dice.choice(self.vocabulary)
