"""6.1 contextvar: each call of the handler has a context of its own; the new one read {x}."""


def survives():
    return {
        "cart": set(),
        "counter": {"socket_lost"},
        "subprotocol": set(),
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost", "process_lost"},
        "contextvar": {"socket_lost"},
        "clients": set(),
        "last_sequence": {"socket_lost", "process_lost"},
    }
