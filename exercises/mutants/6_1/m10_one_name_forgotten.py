"""6.1 names: "contextvar" is missing in your dictionary."""


def survives():
    return {
        "cart": set(),
        "counter": {"socket_lost"},
        "subprotocol": set(),
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost", "process_lost"},
        "clients": set(),
        "last_sequence": {"socket_lost", "process_lost"},
    }
