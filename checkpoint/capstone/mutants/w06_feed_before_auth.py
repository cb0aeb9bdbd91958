"""T3: an unauthenticated socket received bid_placed."""

OLD = """\
        self.log("connect", bidder.number)
"""

NEW = """\
        self.log("connect", bidder.number)
        for room in self.rooms.values():
            bidder.tasks[room.lot] = self.spawn(self.feed(bidder, room, room.seq), bidder)
"""
