"""4.1 event {i}: server {s} is down, its connections are gone: expected None."""


def where(events, policy, n):
    places, home, up, last = [], {}, list(range(n)), -1
    for kind, who in events:
        if kind == "down":
            up.remove(who)
        elif kind == "close":
            home.pop(who, None)
        elif kind == "open" and up:
            if policy == "round_robin":
                last = next(s % n for s in range(last + 1, last + 1 + n) if s % n in up)
                home[who] = last
            else:
                home[who] = min(up, key=list(home.values()).count)
        places.append(home.get(who))
    return places
