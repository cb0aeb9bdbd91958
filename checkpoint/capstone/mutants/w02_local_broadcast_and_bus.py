"""T19: client {client} saw seq {seq} twice."""

OLD = """\
            if await self.store.put(f"lot:{name}", lot, version, event):
                break
"""

NEW = """\
            if await self.store.put(f"lot:{name}", lot, version, event):
                for other in list(self.rooms[name].bidders):
                    await self.send(other, "bid_placed", event)
                break
"""
