class Presence:
    def __init__(self):
        self.tabs = {}  # the open connections of each user who is online

    async def handler(self, ws):
        try:
            user = await ws.recv()  # 1 accept
        except ConnectionClosed:
            return
        ...  # is this the user's first tab? then tell the others
        self.tabs.setdefault(user, set()).add(ws)
        try:
            async for _ in ws:  # 2 read
                pass
        except ConnectionClosed:
            pass
        finally:
            ...  # 5 clean up: this connection, and the user with the last one

    def online(self):
        return set(self.tabs)

    def tell(self, kind, user):
        others = [ws for tabs in self.tabs.values() for ws in tabs]  # the user is not among them: not yet, or no more
        broadcast(others, json.dumps({"type": kind, "user": user}))
