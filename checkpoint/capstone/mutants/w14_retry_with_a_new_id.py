"""T10: one bid, two entries: the repeated request must carry the same id."""

OLD = """\
        for text, _ in list(self.asked.values()):
            await ws.send(text)
"""

NEW = """\
        for old, (text, answer) in list(self.asked.items()):
            new = uuid.uuid4().hex
            self.asked[new] = text.replace(old, new), answer
            del self.asked[old]
            await ws.send(text.replace(old, new))
"""
