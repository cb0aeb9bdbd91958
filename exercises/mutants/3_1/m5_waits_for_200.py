"""3.1 hang: no HTTP response follows 101."""


def auth_flow():
    return [
        "open",
        "wait for HTTP 200",
        "send credentials",
        "receive session",
        "store token",
        "send token+request",
        "receive response",
    ]
