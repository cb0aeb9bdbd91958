"""3.2 order: expected 403, saw 401. A foreign page is refused before anybody looks at a token."""

import hmac


def door(tokens, origins):
    def process_request(connection, request):
        if request.path == "/healthz":
            return connection.respond(200, "ok\n")
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        known = None
        for token, user in tokens.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), token.encode()):
                known = user
        if known is None:
            refusal = connection.respond(401, "who are you?\n")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            return connection.respond(403, "not from this page\n")
        connection.user = known
        return None

    return process_request
