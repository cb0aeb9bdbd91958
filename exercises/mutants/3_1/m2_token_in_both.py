"""3.1 leak: the request line in the recording contains your token: {path}. Paths are written to logs."""


def auth_flow():
    return [
        "open",
        "send credentials",
        "receive session",
        "store token",
        "send token in URL",
        "send token+request",
        "receive response",
    ]
