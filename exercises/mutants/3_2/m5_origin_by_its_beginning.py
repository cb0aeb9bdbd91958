"""3.2 origin: a page from {evil} with a valid token got 101, expected 403."""

import hmac


def door(tokens, origins):
    def process_request(connection, request):
        if request.path == "/healthz":
            return connection.respond(200, "ok\n")
        origin = request.headers.get("Origin")
        if origin is not None and not origin.startswith(tuple(origins)):
            return connection.respond(403, "not from this page\n")
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        for token, user in tokens.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), token.encode()):
                connection.user = user
                return None
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    return process_request
