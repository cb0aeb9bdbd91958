"""A server that stops says 1001, without a reason."""

OLD = """\
        self.server.close(code=1012, reason="restart")
"""

NEW = """\
        self.server.close()
"""
