"""The learner's work, judged: every question that was answered, and every test of the capstone."""

import pytest

from checkpoint.runner import items, lines

ITEMS = [
    pytest.param(item, id=item.name, marks=getattr(pytest.mark, f"milestone{item.group}"))
    if item.part == items.CAPSTONE
    else pytest.param(item, id=item.name)
    for item in items.items()
]


@pytest.mark.parametrize("item", ITEMS)
def test_item(item, verdict):
    """Only a verdict "passed" passes; the recording of what failed stands above its line."""
    judged = verdict(item)
    if not judged.passed:
        pytest.fail(lines.told(judged), pytrace=False)
