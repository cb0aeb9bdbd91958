"""Half of each wait is fixed, the other half left to chance."""

OLD = """\
        yield random.uniform(0, longest)
"""

NEW = """\
        yield longest / 2 + random.uniform(0, longest / 2)
"""
