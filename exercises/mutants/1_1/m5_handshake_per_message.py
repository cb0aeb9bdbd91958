"""1.1 distractor: the recording has 1 handshake and {k} messages."""


def life_of_connection():
    return [
        "TCP connect",
        "GET with Upgrade",
        "101 Switching Protocols",
        "client message",
        "server message",
        "new handshake per message",
        "unprompted server message",
        "close frame",
        "close frame back",
        "TCP end",
    ]
