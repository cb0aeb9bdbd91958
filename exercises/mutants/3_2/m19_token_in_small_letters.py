"""3.2 valid token: expected 101, saw 401. What stands behind the word Bearer is the token: compare it as it came, upper and lower case too."""

import hmac


def door(tokens, origins):
    def process_request(connection, request):
        if request.path == "/healthz":
            return connection.respond(200, "ok\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            return connection.respond(403, "not from this page\n")
        scheme, _, shown = request.headers.get("Authorization", "").lower().partition(" ")
        for token, user in tokens.items():
            if scheme == "bearer" and hmac.compare_digest(shown.encode(), token.encode()):
                connection.user = user
                return None
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    return process_request
