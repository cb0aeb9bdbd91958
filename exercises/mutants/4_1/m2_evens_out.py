"""4.1 event {i}: nobody moved; only connections opened later can land on server {s}."""


def where(events, policy, n):
    places, home, up, last = [], {}, list(range(n)), -1

    def count(server):
        return list(home.values()).count(server)

    for kind, who in events:
        if kind == "down":
            up.remove(who)
            home = {client: server for client, server in home.items() if server != who}
        elif kind == "close":
            home.pop(who, None)
        elif kind == "open" and up:
            if policy == "round_robin":
                last = next(s % n for s in range(last + 1, last + 1 + n) if s % n in up)
                home[who] = last
            else:
                home[who] = min(up, key=count)
        if policy == "least_conn":  # keep the load even
            while up and count(max(up, key=count)) - count(min(up, key=count)) > 1:
                full = max(up, key=count)
                moved = next(client for client, server in home.items() if server == full)
                home[moved] = min(up, key=count)
        places.append(home.get(who))
    return places
