"""T2: seq {seq} was given to two bids, on servers {i} and {j}."""

OLD = """\
            seq = accepted[request] = lot["seq"] + 1
"""

NEW = """\
            given = self.__dict__.setdefault("given", {})
            seq = accepted[request] = given[name] = given.get(name, 0) + 1
"""
