"""3.1 token: your request was answered because it carried the password, not a token: so would every further request have to."""


def auth_flow():
    return [
        "open",
        "send the password with each request",
        "receive response",
    ]
