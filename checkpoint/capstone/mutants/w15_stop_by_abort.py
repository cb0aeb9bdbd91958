"""T11: clients saw 1006, expected 1001 or 1012 with a close frame."""

OLD = """\
        self.server.close(code=1012, reason="restart")
"""

NEW = """\
        for ws in list(self.server.connections):
            ws.transport.abort()
        self.server.close()
"""
