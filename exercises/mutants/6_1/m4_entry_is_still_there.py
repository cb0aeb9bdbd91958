"""6.1 clients: the entry refers to a closed connection."""


def survives():
    return {
        "cart": set(),
        "counter": {"socket_lost"},
        "subprotocol": set(),
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost", "process_lost"},
        "contextvar": set(),
        "clients": {"socket_lost"},
        "last_sequence": {"socket_lost", "process_lost"},
    }
