"""4.1 event {i}: two connections in a row went to {s}."""


def where(events, policy, n):
    places, home, down, following = [], {}, set(), 0
    for kind, who in events:
        if kind == "open":
            home.pop(who, None)
            if len(down) < n:
                if policy == "round_robin":
                    server = following % n
                    while server in down:
                        server = (server + 1) % n  # the next one takes this turn
                    following += 1
                else:
                    up = [server for server in range(n) if server not in down]
                    server = min(up, key=list(home.values()).count)
                home[who] = server
        elif kind == "close":
            home.pop(who, None)
        elif kind == "down":
            down.add(who)
            home = {client: server for client, server in home.items() if server != who}
        places.append(home.get(who))
    return places
