"""3.2 scheme: "bearer" and a valid token got 401. Upper and lower case do not matter in the word Bearer (RFC 9110 11.1)."""

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
            if scheme == "Bearer" and hmac.compare_digest(shown.encode(), token.encode()):
                connection.user = user
                return None
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    return process_request
