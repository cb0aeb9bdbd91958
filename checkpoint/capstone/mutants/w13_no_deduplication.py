"""T9: seq {seq} delivered twice."""

OLD = """\
            if message.body["seq"] > self.seen[message.body["lot"]]:  # what comes again after a break is no news
                self.seen[message.body["lot"]] = message.body["seq"]
                self.events.put_nowait(message.body)
"""

NEW = """\
            self.events.put_nowait(message.body)
"""
