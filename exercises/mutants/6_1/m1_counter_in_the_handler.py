"""6.1 counter: after the cut it still read {x}: the process went on."""


def survives():
    return {
        "cart": set(),
        "counter": set(),
        "subprotocol": set(),
        "token": {"socket_lost", "process_lost"},
        "row": {"socket_lost", "process_lost"},
        "contextvar": set(),
        "clients": set(),
        "last_sequence": {"socket_lost", "process_lost"},
    }
