"""3.1 run: the block "store token" raised NameError: name 'session' is not defined. What it uses must be there before it runs."""


def auth_flow():
    return [
        "open",
        "send credentials",
        "store token",
        "receive session",
        "send token+request",
        "receive response",
    ]
