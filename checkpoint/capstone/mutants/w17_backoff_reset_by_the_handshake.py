"""T13: {count} connections in 10 s: backoff was reset by each handshake."""

OLD = """\
                    await self.enter(ws)
                    waits = delays()  # a welcome, not a handshake, is the proof that it works
"""

NEW = """\
                    waits = delays()
                    await self.enter(ws)
"""
