"""1.1 order: you put "client message" before "101 Switching Protocols". In the recording byte {n} is the first message byte, {m} the end of the 101: nothing may be sent before."""


def life_of_connection():
    return [
        "TCP connect",
        "GET with Upgrade",
        "client message",
        "101 Switching Protocols",
        "server message",
        "unprompted server message",
        "close frame",
        "close frame back",
        "TCP end",
    ]
