"""4.1 event {i}: message on an open connection stayed on server {s}; the balancer decides once per connection."""


def where(events, policy, n):
    places, down, following = [], set(), 0
    for kind, who in events:
        if kind == "down":
            down.add(who)
            places.append(None)
        elif kind == "close":
            places.append(None)
        else:
            if len(down) == n:
                places.append(None)
                continue
            while following % n in down:
                following += 1
            places.append(following % n)
            following += 1
    return places
