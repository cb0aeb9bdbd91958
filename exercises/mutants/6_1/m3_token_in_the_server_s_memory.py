"""6.1 token: any server could verify it after both losses: the client carries it."""


def survives():
    return {
        "cart": set(),
        "counter": {"socket_lost"},
        "subprotocol": set(),
        "token": {"socket_lost"},
        "row": {"socket_lost", "process_lost"},
        "contextvar": set(),
        "clients": set(),
        "last_sequence": {"socket_lost", "process_lost"},
    }
