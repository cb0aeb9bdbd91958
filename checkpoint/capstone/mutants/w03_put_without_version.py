"""T2: {a} and {b} were both accepted at price {price}: get and put need the version."""

OLD = """\
            if await self.store.put(f"lot:{name}", lot, version, event):
                break
"""

NEW = """\
            _, newest = await self.store.get(f"lot:{name}")
            if await self.store.put(f"lot:{name}", lot, newest, event):
                break
"""
