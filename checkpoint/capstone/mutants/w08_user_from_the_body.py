"""T5: bid recorded for {victim}, the session belongs to {user}."""

OLD = """\
        return "accepted", await self.bid(bidder,"""

NEW = """\
        bidder.user = message.body.get("user", bidder.user)
        return "accepted", await self.bid(bidder,"""
