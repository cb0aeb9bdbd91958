"""3.1 second request: sent without token, answered "unauthenticated"."""


def auth_flow():
    return [
        "open",
        "send credentials",
        "receive session",
        "send token+request",
        "receive response",
    ]
