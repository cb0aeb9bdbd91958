"""6.1 cart: the new connection runs a new handler call; the local is gone."""


def survives():
    return {
        "cart": {"socket_lost", "process_lost"},
        "counter": {"process_lost"},
        "subprotocol": {"socket_lost", "process_lost"},
        "token": set(),
        "row": set(),
        "contextvar": {"socket_lost", "process_lost"},
        "clients": {"socket_lost", "process_lost"},
        "last_sequence": set(),
    }
