"""3.2 form: the header "Authorization: {shown}" was accepted, only the word Bearer, a space and the whole token may pass."""

import hmac


def door(tokens, origins):
    def process_request(connection, request):
        if request.path == "/healthz":
            return connection.respond(200, "ok\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            return connection.respond(403, "not from this page\n")
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ").removeprefix("bearer ")
        for token, user in tokens.items():
            if hmac.compare_digest(shown.encode(), token.encode()):
                connection.user = user
                return None
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    return process_request
