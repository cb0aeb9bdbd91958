"""Numbers in, what a chart says of them out: words for values, quantiles, bins, round numbers for axes.

Rules of this file: pure functions; what was measured never makes them fail, only what a lesson's author wrote.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ..errors import LabError, say

BINS = 120  # bars of a histogram at most; the last one holds what is beyond


def number(value: float) -> str:
    """Return ``1,234``, ``12.3`` or ``0.0123``: three digits where there is a fraction."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def counted(series: Mapping[str, Iterable[float]], most: int) -> dict[str, list[float]]:
    """Return `series` as lists of finite numbers, `most` of them at most.

    Raises:
        LabError: If there is no series, there are too many, or one holds something else.
    """
    if not 1 <= len(series) <= most:
        raise LabError(say("a chart shows 1 to {most} series, not {number}", most=most, number=len(series)))
    return {str(name): [_finite(value, name) for value in values] for name, values in series.items()}


def median(values: Sequence[float]) -> float:
    """Return the middle of `values`, which are sorted, or the mean of both in the middle."""
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def p99(values: Sequence[float]) -> float:
    """Return the value that 99 of 100 of `values`, which are sorted, do not exceed."""
    return values[math.ceil(0.99 * len(values)) - 1]


def bins(values: Iterable[float], start: float, width: float, size: int) -> list[int]:
    """Count `values` in `size` steps of `width` from `start` on; the last step is open."""
    counts = [0] * size
    for value in values:
        # A value on the border of two steps belongs to the upper one, whatever its last bit says.
        counts[min(max(math.floor((value - start) / width + 1e-9), 0), size - 1)] += 1
    return counts


def steps(low: float, high: float, width: float) -> tuple[float, int]:
    """Where steps of `width` from `low` to `high` begin, and how many there are, at most `BINS`."""
    start = math.floor(low / width + 1e-9) * width
    return start, min(math.floor((high - start) / width + 1e-9) + 1, BINS)


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers from `low` to `high`, `most` at most."""
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most - 1)
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """Where an axis for `values` begins and ends: at 0, unless they all lie far from it."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low > 0 and low < 0.6 * high:
        low = 0.0
    room = (high - low) or abs(high) or 1.0
    return (low if low == 0 else low - 0.05 * room), high + 0.05 * room


def _finite(value: float, name: object) -> float:
    try:
        if math.isfinite(value):
            return value
    except TypeError:
        pass
    raise LabError(say("{name}: {value} is not a number that can be drawn", name=name, value=repr(value)))
