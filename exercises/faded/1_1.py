def life_of_connection():
    return [
        "TCP connect",
        "GET with Upgrade",
        ...,  # what does the server answer to this GET?
        "client message",
        "server message",
        "unprompted server message",
        "close frame",
        ...,  # and what does the other side do with a close frame?
        "TCP end",
    ]
