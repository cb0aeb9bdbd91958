"""6.1 row: after both losses the store still had {x}: it belongs to neither."""


def survives():
    return {
        "cart": set(),
        "counter": {"socket_lost"},
        "subprotocol": set(),
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost"},
        "contextvar": set(),
        "clients": set(),
        "last_sequence": {"socket_lost", "process_lost"},
    }
