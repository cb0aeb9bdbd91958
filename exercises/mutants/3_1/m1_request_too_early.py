"""3.1 order: your request arrived before the session: the server answered "unauthenticated"."""


def auth_flow():
    return [
        "open",
        "send credentials",
        "send token+request",
        "receive session",
        "store token",
        "receive response",
    ]
