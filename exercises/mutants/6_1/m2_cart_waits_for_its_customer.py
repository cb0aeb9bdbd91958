"""6.1 cart: the new connection runs a new handler call; the local is gone."""


def survives():
    return {
        "cart": {"socket_lost"},
        "counter": {"socket_lost"},
        "subprotocol": set(),
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost", "process_lost"},
        "contextvar": set(),
        "clients": set(),
        "last_sequence": {"socket_lost", "process_lost"},
    }
