"""4.1 event {i}: least_conn counts open connections only."""


def where(events, policy, n):
    places, home, counts, up, last = [], {}, [0] * n, list(range(n)), -1
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
                home[who] = min(up, key=lambda server: counts[server])
                counts[home[who]] += 1
        places.append(home.get(who))
    return places
