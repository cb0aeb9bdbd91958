"""6.1 counter: after the restart it read {x}."""


def survives():
    return {
        "cart": set(),
        "counter": {"socket_lost", "process_lost"},
        "subprotocol": set(),
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost", "process_lost"},
        "contextvar": set(),
        "clients": set(),
        "last_sequence": {"socket_lost", "process_lost"},
    }
