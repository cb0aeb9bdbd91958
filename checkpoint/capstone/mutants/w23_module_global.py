"""T2: passes in one process, fails in three: something lives in a module global."""

OLD = """\
            lot, version = await self.store.get(f"lot:{name}")
            accepted"""

NEW = """\
            lots = globals().setdefault("LOTS", {})
            lot, version = lots.setdefault(name, await self.store.get(f"lot:{name}"))
            accepted"""
