def door(tokens, origins):
    def process_request(connection, request):
        if request.path == "/healthz":  # 1 a monitor
            return connection.respond(200, "ok\n")
        origin = request.headers.get("Origin")
        if ...:  # 2 a foreign page: there is an origin, and it is not in origins
            return connection.respond(403, "not from this page\n")
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        for token, user in tokens.items():
            ...  # 4 come in: the scheme is bearer, and shown is this token: set connection.user, return None
        refusal = connection.respond(401, "who are you?\n")  # 3 a stranger
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    return process_request
