"""Looks back through the events for each answer, and takes them off the list that it was given."""


def where(events, policy, n):
    history = []  # (client or None, server)
    answer = []
    down = []
    last = n - 1
    while events:
        kind, who = events.pop(0)
        server = None
        if kind == "open":
            loads = [(sum(1 for _, on in history if on == s), s) for s in range(n) if s not in down]
            if loads and policy == "least_conn":
                server = min(loads)[1]
            elif loads:
                server = min(loads, key=lambda load: (load[1] - last - 1) % n)[1]
            if server is not None:
                last = server
                history.append((who, server))
        elif kind == "msg":
            for client, on in history:
                if client == who:
                    server = on
        elif kind == "close":
            history = [(client, on) for client, on in history if client != who]
        else:
            down.append(who)
            history = [(client, on) for client, on in history if on != who]
        answer.append(server)
    return answer
