"""6.1 last sequence: the client keeps it, so it survives both server losses."""


def survives():
    return {
        "cart": set(),
        "counter": {"socket_lost"},
        "subprotocol": set(),
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost", "process_lost"},
        "contextvar": set(),
        "clients": set(),
        "last_sequence": set(),
    }
