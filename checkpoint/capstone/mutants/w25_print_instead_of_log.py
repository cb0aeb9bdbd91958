"""T22: no record with event "disconnect"."""

OLD = """\
            self.log("disconnect", bidder.number, code=ws.close_code, reason=ws.close_reason, seconds=seconds)
"""

NEW = """\
            print("disconnect", bidder.number, ws.close_code, ws.close_reason, seconds)
"""
