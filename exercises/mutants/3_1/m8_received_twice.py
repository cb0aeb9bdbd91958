"""3.1 hang: "receive response" waits for a message, and none is on its way."""


def auth_flow():
    return [
        "open",
        "send credentials",
        "receive session",
        "receive response",
        "store token",
        "send token+request",
    ]
