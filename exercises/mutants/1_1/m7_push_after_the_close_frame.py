"""1.1 order: you put "close frame" before "unprompted server message". A close frame is the last frame that a side sends: all messages come before it."""


def life_of_connection():
    return [
        "TCP connect",
        "GET with Upgrade",
        "101 Switching Protocols",
        "client message",
        "server message",
        "close frame",
        "unprompted server message",
        "close frame back",
        "TCP end",
    ]
