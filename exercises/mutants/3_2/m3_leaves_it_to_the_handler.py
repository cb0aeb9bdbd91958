"""3.2 no token: the handshake succeeded (101); the door must refuse before the connection exists."""

import hmac


def door(tokens, origins):
    def process_request(connection, request):
        if request.path == "/healthz":
            return connection.respond(200, "ok\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            return connection.respond(403, "not from this page\n")
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        for token, user in tokens.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), token.encode()):
                connection.user = user
                return None
        connection.user = None  # the handler closes with 4401
        return None

    return process_request
