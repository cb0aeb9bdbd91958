def auth_flow():
    return [
        "open",
        ...,  # the password, once
        "receive session",
        ...,  # what must be done with the session before it can be shown?
        "send token+request",
        "receive response",
    ]
