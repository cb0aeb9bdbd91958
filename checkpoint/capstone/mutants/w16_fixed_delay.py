"""T12: {count} of 30 came back in the same tenth."""

OLD = """\
        yield random.uniform(0, longest)
"""

NEW = """\
        yield 0.5
"""
