"""1.1 missing: the recording has two close frames, one in each direction."""


def life_of_connection():
    return [
        "TCP connect",
        "GET with Upgrade",
        "101 Switching Protocols",
        "client message",
        "server message",
        "unprompted server message",
        "close frame",
        "TCP end",
    ]
