"""Compares with every token, also after one fitted, and looks the user up by what was shown."""

import secrets


def door(tokens, origins):
    def known(shown):
        return sum(secrets.compare_digest(token.encode("utf-8"), shown.encode("utf-8")) for token in tokens) > 0

    def refuse(connection, status, **fields):
        answer = connection.respond(status, "")
        for name, value in fields.items():
            answer.headers[name.replace("_", "-")] = value
        return answer

    def process_request(connection, request):
        header = request.headers.get("Authorization", "")
        if request.path == "/healthz":
            return refuse(connection, 200)
        if request.headers.get("Origin", None) not in {None} | origins:
            return refuse(connection, 403)
        if header[:7].upper() != "BEARER " or not known(header[7:]):
            return refuse(connection, 401, WWW_Authenticate="Bearer")
        connection.user = tokens[header[7:]]

    return process_request
