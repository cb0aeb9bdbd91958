"""T9: events {a}..{b} missing after the reconnect."""

OLD = """\
encode("join", {"lot": lot, "after": seq})"""

NEW = """\
encode("join", {"lot": lot})"""
