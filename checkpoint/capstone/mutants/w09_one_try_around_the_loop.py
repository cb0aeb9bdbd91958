"""T6: after the error reply the connection closed with {code}."""

OLD = """\
        bidder.bad_in_a_row = bidder.bad_in_a_row + 1 if bad else 0
"""

NEW = """\
        if bad:
            raise ValueError("a bad message")
"""
