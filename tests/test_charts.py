"""Charts: what their texts hold, what they never hold, and how they look."""

import io
import math
import random
import subprocess
import sys

import pytest
from golden_text import assert_golden, chunks
from PIL import Image

from wslab import charts
from wslab.errors import LabError
from wslab.pictures import measures
from wslab.pictures.theme import width

pytestmark = pytest.mark.filterwarnings("error")

NAMES = ["plain", "<script>alert(1)</script>", "你好😀 " * 20, "שלום\u202e", "x^2_$a$ \x1b[2J", "e\u0301" * 30]


def delays(number, seed=1):
    """Values as they might be measured."""
    source = random.Random(seed)
    return [source.lognormvariate(0, 0.6) * 10 for _ in range(number)]


CHARTS = {
    "bars": lambda: charts.bars(
        {"polling": 41, "WebSocket": 3}, title="Polling asks 41 times, a push comes once", unit="requests", exact=True
    ),
    "bars_measured": lambda: charts.bars({"A": 1234.5, "B": 0}, title="A costs more", unit="kB"),
    "spread": lambda: charts.spread({"A": delays(120), "B": delays(9, 2), "C": []}, title="B answers sooner"),
    "histogram": lambda: charts.histogram(
        {"fixed delay": [1.0, 1.01, 1.09], "jitter": [0.1, 0.52, 0.9, 0.95]}, title="Jitter spreads the crowd"
    ),
    "lines": lambda: charts.lines(
        {"one server": [(2, 95), (1, 90)], "three servers": [(1, 88), (2, 170)]},
        title="Three servers answer more",
        x="clients",
        y="answers per second",
    ),
    "lines_exact": lambda: charts.lines(
        {"bytes": [(0, 2), (126, 4)]}, title="Overhead", x="payload", y="B", exact=True
    ),
    "table": lambda: charts.table(
        [["parts", 1, 6], ["lines of configuration", 0, 1234], ["state", "shared 你好", True]],
        ["", "A", "B"],
        title="B has more parts",
    ),
    "table_measured": lambda: charts.table([["p99", 12.345, 3.21]], ["ms", "A", "B"], title="B is faster", exact=False),
}
ODD = {
    "many values": lambda: charts.spread({"one": delays(20_000), "two": [3.3]}, title="Many"),
    "all the same": lambda: charts.spread({"a": [5] * 9, "b": [0, 0]}, title="Same", unit="s"),
    "no values": lambda: charts.spread({"a": []}, title="None"),
    "an outlier": lambda: charts.histogram({"a": [0.1, 0.2, 1e6], "b": []}, title="Outlier"),
    "no times": lambda: charts.histogram({"a": []}, title="None"),
    "negative times": lambda: charts.histogram({"a": [-1.0, 2.0]}, title="Negative", width=0.5),
    "one point": lambda: charts.lines({"a": [(1, 1)], "b": []}, title="One", x="x", y="y"),
    "no points": lambda: charts.lines({"a": []}, title="None", x="x", y="y"),
    "long lines": lambda: charts.lines(
        {name: [(x, x * index) for x in range(3000)] for index, name in enumerate(NAMES)}, title="Long", x="x", y="y"
    ),
    "all zero": lambda: charts.bars({"a": 0, "b": 0}, title="Zero", exact=True),
    "tiny and huge": lambda: charts.bars({"a": 1e-9, "b": 1e15}, title="Far apart", exact=True),
    "odd names": lambda: charts.bars({name: 3 for name in NAMES}, title=" ".join(NAMES), unit="<b>", exact=True),
    "odd series": lambda: charts.histogram({name: [1, 2, 3] for name in NAMES}, title=NAMES[2], unit=NAMES[1]),
    "odd cells": lambda: charts.table([NAMES, NAMES], NAMES, title=NAMES[4]),
    "eight": lambda: charts.spread({f"series {i}": delays(400, i) for i in range(8)}, title="Eight"),
    "empty table": lambda: charts.table([], ["a", "b"], title="No rows"),
}


@pytest.mark.parametrize("name", CHARTS)
def test_golden_chart(name):
    """Text and narration of each kind of chart."""
    chart = CHARTS[name]()
    assert_golden(f"chart_{name}", f"{chart}\n\n{chart.narrate()}")


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: charts.spread({"A": delays(50 + seed, seed), "B": []}, title="T"),
        lambda seed: charts.histogram({"A": delays(50 + seed, seed)}, title="T"),
        lambda seed: charts.bars({"A": delays(1, seed)[0], "B": seed}, title="T", unit="ms"),
        lambda seed: charts.lines({"A": list(enumerate(delays(5 + seed, seed)))}, title="T", x="x", y="y"),
        lambda seed: charts.table([["A", delays(1, seed)[0]]], ["", "ms"], title="T", exact=False),
    ],
)
def test_what_was_measured_is_not_in_the_text(draw):
    """Two runs have the same text, say where the values are, and tell them when asked."""
    one, other = draw(1), draw(2)
    assert str(one) == str(other)
    assert str(one).splitlines()[-1] == "measured values: in the picture"
    assert one.narrate() != other.narrate()
    assert one.png() != other.png()


@pytest.mark.parametrize("name", [*CHARTS, *ODD])
def test_pictures(name):
    """Opaque, white, 792 pixels wide, at most 50 kB, the same each time; no text is wider than a notebook."""
    draw = (CHARTS | ODD)[name]
    chart = draw()
    assert chart.png() == draw().png()
    assert set(chunks(chart.png())) == {"IHDR", "PLTE", "IDAT", "IEND"}
    assert len(chart.png()) <= 50_000
    image = Image.open(io.BytesIO(chart.png())).convert("RGB")
    assert image.width == 792
    for edge in (0, 784):  # nothing reaches over the margins
        assert image.crop((edge, 0, edge + 8, image.height)).getextrema() == ((255, 255),) * 3
    assert name.startswith("odd") or max(map(width, str(chart).splitlines())) <= 110
    assert not any(char in str(chart) + chart.narrate() for char in "\x1b\u202e")


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: charts.bars({"a": -1}, title=""), "a: a bar cannot be shorter than 0"),
        (lambda: charts.bars({"a": math.inf}, title=""), "a: inf is not a number that can be drawn"),
        (lambda: charts.spread({"a": ["x"]}, title=""), "a: 'x' is not a number that can be drawn"),
        (lambda: charts.spread({}, title=""), "a chart shows 1 to 8 series, not 0"),
        (
            lambda: charts.lines({str(i): [] for i in range(7)}, title="", x="", y=""),
            "a chart shows 1 to 6 series, not 7",
        ),
        (lambda: charts.histogram({"a": [1]}, title="", width=0), "the width of a step is more than 0, not 0"),
        (
            lambda: charts.table([["a", 1]], ["", "A", "B"], title=""),
            "a row has as many cells as there are columns, 3: ['a', 1]",
        ),
    ],
)
def test_misuse_says_what_is_wrong(draw, words):
    """A value that cannot be drawn, too many series, a row of another length."""
    with pytest.raises(LabError) as caught:
        draw()
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "3"),
        (3.0, "3"),
        (1234567, "1,234,567"),
        (0.123456, "0.123"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers(value, words):
    """Whole ones with thousands apart, others with three digits."""
    assert measures.number(value) == words


def test_median_and_p99():
    """The middle, and the value that 99 of 100 do not exceed."""
    assert measures.median([1, 2, 10]) == 2
    assert measures.median([1, 2, 4, 10]) == 3
    assert measures.p99([7]) == 7
    assert measures.p99(list(range(1, 101))) == 99
    assert measures.p99(list(range(1, 1001))) == 990


def test_bins_count_every_value_once():
    """A value on a border belongs to the step above it; what is far beyond is in the last step."""
    values = [index / 10 for index in range(30)]
    start, size = measures.steps(min(values), max(values), 0.1)
    assert (start, size) == (0.0, 30)
    assert measures.bins(values, start, 0.1, size) == [1] * 30
    assert measures.steps(0.05, 1e9, 0.1) == (0.0, measures.BINS)
    assert measures.bins([0.05, 1e9], 0.0, 0.1, measures.BINS)[-1] == 1


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.003), (95, 102), (0, 123456), (-3, 3), (5, 5), (0, 7e12)])
def test_ticks_are_few_and_inside(low, high):
    """From two to seven round numbers, or the only one."""
    found = measures.ticks(low, high)
    assert found == sorted(found) and all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    assert len(found) == 1 if low == high else 2 <= len(found) <= 8


def test_charts_come_without_matplotlib():
    """It is loaded by the first chart, not by `import wslab`."""
    probe = "import sys; from wslab import charts; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
