"""1.1 distractor: "200 OK" never occurs in the recording. After 101 there are no more HTTP responses."""


def life_of_connection():
    return [
        "TCP connect",
        "GET with Upgrade",
        "101 Switching Protocols",
        "client message",
        "200 OK per message",
        "server message",
        "unprompted server message",
        "close frame",
        "close frame back",
        "TCP end",
    ]
