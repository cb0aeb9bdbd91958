def where(events, policy, n):
    home = {}  # the server of each open connection
    down = set()
    last = -1  # the server that was chosen last
    answer = []
    for kind, who in events:
        if kind == "open":
            turn = [(last + step) % n for step in range(1, n + 1)]  # round robin: first the one after the last
            if policy == "least_conn":
                turn = sorted(range(n), key=...)  # how many open connections has a server?
            up = [server for server in turn if server not in down]
            if up:
                home[who] = last = up[0]
        elif kind == "close":
            del home[who]
        elif kind == "down":
            down.add(who)
            home = ...  # which connections are still there?
        answer.append(home.get(who))
    return answer
