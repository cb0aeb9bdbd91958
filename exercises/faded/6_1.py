def survives():
    nothing, connection, everything = set(), {"socket_lost"}, {"socket_lost", "process_lost"}
    return {
        # 1 in the handler, or bound to the connection
        "cart": nothing,
        "subprotocol": nothing,
        "contextvar": nothing,
        "clients": ...,  # the entry itself stays in the dictionary: but what is it good for?
        # 2 in the process
        "counter": connection,
        # 3 in the store
        "row": everything,
        # 4 with the client
        "token": ...,
        "last_sequence": everything,
    }
