"""3.2 bytes: a token with an é got 500, expected 401: your function raised TypeError: comparing strings with non-ASCII characters is not supported. Anybody may send anything: compare bytes, made by .encode()."""

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
            if scheme.lower() == "bearer" and hmac.compare_digest(shown, token):
                connection.user = user
                return None
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    return process_request
