"""A callable object that looks a digest up, keeps no token, and builds its answers without respond()."""

import hashlib

from websockets import Headers
from websockets.http11 import Response


class Doorkeeper:
    def __init__(self, tokens, origins):
        self.users = {hashlib.sha256(token.encode()).digest(): user for token, user in tokens.items()}
        self.origins = origins

    async def __call__(self, connection, request):
        if request.path == "/healthz":
            return Response(200, "OK", Headers({"Content-Length": "0"}), b"")
        if not self.origins.issuperset(request.headers.get_all("Origin")):
            return Response(403, "Forbidden", Headers({"Content-Length": "0", "Connection": "close"}), b"")
        match request.headers.get("Authorization", "").split():
            case [scheme, shown] if scheme.casefold() == "bearer":
                user = self.users.get(hashlib.sha256(shown.encode()).digest())
                if user is not None:
                    connection.user = user
                    return None
        fields = {"WWW-Authenticate": 'bearer realm="notes"', "Content-Length": "0", "Connection": "close"}
        return Response(401, "Unauthorized", Headers(fields), b"")


def door(tokens, origins):
    return Doorkeeper(tokens, origins)
