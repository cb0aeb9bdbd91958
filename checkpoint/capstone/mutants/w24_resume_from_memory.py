"""T9: resume worked only on server {server}."""

OLD = """\
        seq = joined["seq"] if after is None else after
"""

NEW = """\
        seq = after if after is not None and room.bidders else joined["seq"]
"""
