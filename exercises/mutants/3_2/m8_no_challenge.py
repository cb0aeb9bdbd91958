"""3.2 challenge: the 401 does not say what it wants. Give it the header WWW-Authenticate: Bearer."""

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
        return connection.respond(401, "who are you?\n")

    return process_request
