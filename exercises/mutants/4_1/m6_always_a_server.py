"""4.1 event {i}: no server is up, so no connection comes about: expected None."""


def where(events, policy, n):
    places, home, down, last = [], {}, set(), -1
    for kind, who in events:
        if kind == "open":
            turns = [(last + step) % n for step in range(1, n + 1)]
            if policy == "least_conn":
                turns = sorted(range(n), key=list(home.values()).count)
            up = [server for server in turns if server not in down]
            home[who] = last = up[0] if up else turns[0]
        elif kind == "close":
            home.pop(who, None)
        elif kind == "down":
            down.add(who)
            home = {client: server for client, server in home.items() if server != who}
        places.append(home.get(who))
    return places
