"""3.2 result: door(tokens, origins) returned coroutine, expected a function. Define process_request inside, with def, and end with: return process_request"""


async def door(tokens, origins):
    async def process_request(connection, request):
        if request.path == "/healthz":
            return connection.respond(200, "ok\n")
        return connection.respond(401, "who are you?\n")

    return process_request
