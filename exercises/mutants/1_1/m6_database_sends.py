"""1.1 distractor: {n} arrows of the recording end at the client, and all of them come from the server. The database answers the server only."""


def life_of_connection():
    return [
        "TCP connect",
        "GET with Upgrade",
        "101 Switching Protocols",
        "client message",
        "server message",
        "database sends to the client",
        "close frame",
        "close frame back",
        "TCP end",
    ]
