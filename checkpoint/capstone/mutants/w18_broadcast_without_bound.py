"""T14: {mb} MB wait for one client."""

OLD = """\
                    await self.send(bidder, "bid_placed", event)
"""

NEW = """\
                    from websockets import broadcast

                    broadcast([bidder.ws], encode("bid_placed", event))
"""
