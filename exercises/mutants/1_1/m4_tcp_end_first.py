"""1.1 order: TCP ends after the close frames; only an aborted connection has no close frames."""


def life_of_connection():
    return [
        "TCP connect",
        "GET with Upgrade",
        "101 Switching Protocols",
        "client message",
        "server message",
        "unprompted server message",
        "TCP end",
        "close frame",
        "close frame back",
    ]
