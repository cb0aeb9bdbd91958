"""T4: {seconds} s after expiry the idle client still received {count} events."""

OLD = """\
        await self.end(bidder, 4401, "session expired")
"""

NEW = """\
        messages = bidder.messages
        while bidder.messages == messages:
            await asyncio.sleep(0.01)
        await self.end(bidder, 4401, "session expired")
"""
