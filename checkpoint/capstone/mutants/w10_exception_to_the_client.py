"""T8: reply contains {fragment}."""

OLD = """\
"error_id": self.fail(exc, bidder)}"""

NEW = """\
"error_id": self.fail(exc, bidder), "message": str(exc)}"""
