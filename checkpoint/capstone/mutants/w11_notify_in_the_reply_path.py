"""T7: reply took {seconds} s while the notifier slept."""

OLD = """\
            type, body = "error", {"code": "internal", "error_id": self.fail(exc, bidder)}
"""

NEW = """\
            type, body = "error", {"code": "internal", "error_id": self.fail(exc, bidder)}
            await self.admin.notify({"error_id": body["error_id"]})
"""
