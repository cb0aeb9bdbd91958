"""3.2 health: expected 200, saw 401. A monitor asks /healthz without a token: look at the path first."""

import hmac


def door(tokens, origins):
    def process_request(connection, request):
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            return connection.respond(403, "not from this page\n")
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        for token, user in tokens.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), token.encode()):
                connection.user = user
                return connection.respond(200, "ok\n") if request.path == "/healthz" else None
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    return process_request
