"""6.1 subprotocol: the new connection agreed anew, and read {x}."""


def survives():
    return {
        "cart": set(),
        "counter": {"socket_lost"},
        "subprotocol": {"socket_lost", "process_lost"},
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost", "process_lost"},
        "contextvar": set(),
        "clients": set(),
        "last_sequence": {"socket_lost", "process_lost"},
    }
