"""3.2 prefix: "Bearer {half}" was accepted, only the whole token may pass."""


def door(tokens, origins):
    def process_request(connection, request):
        if request.path == "/healthz":
            return connection.respond(200, "ok\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            return connection.respond(403, "not from this page\n")
        header = request.headers.get("Authorization", "")
        if header.lower().startswith("bearer "):
            for token, user in tokens.items():
                if token in header:
                    connection.user = user
                    return None
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    return process_request
