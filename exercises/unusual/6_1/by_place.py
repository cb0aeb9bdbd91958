"""Says where each variable is, and what a place survives."""

PLACES = {
    "connection": frozenset(),
    "process": frozenset({"socket_lost"}),
    "outside": frozenset({"socket_lost", "process_lost"}),
}
KEPT = {
    "connection": ["cart", "subprotocol", "contextvar", "clients"],
    "process": ["counter"],
    "outside": ["token", "row", "last_sequence"],
}


async def survives():
    return {name: PLACES[place] for place, names in KEPT.items() for name in names}
