"""4.1 event {i}: nobody moved; only connections opened later can land on server {s}."""


def where(events, policy, n):
    places, home, up, last = [], {}, list(range(n)), -1
    for kind, who in events:
        if kind == "down":
            up.remove(who)
            home = {client: server for client, server in home.items() if server != who}
        elif kind == "close":
            home.pop(who, None)
        elif kind == "open" and up and policy == "round_robin":
            last = next(s % n for s in range(last + 1, last + 1 + n) if s % n in up)
            home[who] = last
        elif policy == "least_conn" and up:
            home.pop(who, None)
            home[who] = min(up, key=list(home.values()).count)
        places.append(home.get(who))
    return places
