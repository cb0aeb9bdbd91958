"""The unprompted message comes before anything that the client says; a tuple, put together from parts."""


def life_of_connection():
    opening = "TCP connect", "GET with Upgrade", "101 Switching Protocols"
    messages = "unprompted server message", "client message", "server message"
    return *opening, *messages, *("close frame", "close frame back", "TCP end")
