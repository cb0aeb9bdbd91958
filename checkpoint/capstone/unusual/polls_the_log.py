"""The bus is used for who is here only: what is new is looked for in the log, twenty times a second."""

OLD = """\
            async with room.changed:
                while room.seq <= seq and room.count == count:
                    await room.changed.wait()
            if room.seq > seq:
                for event in await self.store.log(f"lot:{room.lot}", seq):  # whatever the bus has lost is here
                    await self.send(bidder, "bid_placed", event)
                    seq = event["seq"]
"""

NEW = """\
            await asyncio.sleep(0.05)
            for event in await self.store.log(f"lot:{room.lot}", seq):
                await self.send(bidder, "bid_placed", event)
                seq = event["seq"]
"""
