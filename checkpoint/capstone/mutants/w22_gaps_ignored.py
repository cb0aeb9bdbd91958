"""T18: seq {a} then {c}: {b} was never asked for."""

OLD = """\
                for event in await self.store.log(f"lot:{room.lot}", seq):  # whatever the bus has lost is here
"""

NEW = """\
                for event in (await self.store.log(f"lot:{room.lot}", seq))[-1:]:
"""
