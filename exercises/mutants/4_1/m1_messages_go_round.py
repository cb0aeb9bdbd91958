"""4.1 event {i}: message on an open connection stayed on server {s}; the balancer decides once per connection."""

from itertools import cycle


def where(events, policy, n):
    connections, messages = cycle(range(n)), cycle(range(n))
    return [next(connections) if kind == "open" else next(messages) if kind == "msg" else None for kind, _ in events]
