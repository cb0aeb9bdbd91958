"""3.1 exposure: the password crossed the wire {n} times, once is enough."""


def auth_flow():
    return [
        "open",
        "send credentials",
        "receive session",
        "store token",
        "send the password with each request",
        "receive response",
    ]
