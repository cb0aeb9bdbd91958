"""T1: bidders on servers {servers} did not hear bid {seq}; a server only knows its own connections."""

OLD = """\
        await self.bus.publish(room.lot, message)
"""

NEW = """\
        await self.hear(room, message)
"""
