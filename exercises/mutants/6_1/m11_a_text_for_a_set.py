"""6.1 counter: you said {x}. Say "socket_lost" or "process_lost", both, or none: set()."""


def survives():
    return {
        "cart": set(),
        "counter": "socket_lost",
        "subprotocol": set(),
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost", "process_lost"},
        "contextvar": set(),
        "clients": set(),
        "last_sequence": {"socket_lost", "process_lost"},
    }
