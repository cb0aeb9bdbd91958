"""T16: stop() did not return; a handler ignores the closed socket."""

OLD = """\
        await asyncio.wait([self.spawn(self.server.wait_closed())], timeout=CLOSE_S)
"""

NEW = """\
        await self.server.wait_closed()
"""
