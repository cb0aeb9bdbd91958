"""3.2 leak: a token stands in your log. Answers and logs are read by others: say that it was refused, never what was shown."""

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
        connection.logger.warning("refused: %s", request.headers)
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    return process_request
