"""7.1 1012: the loop raised: only 1000, 1001, 1005 end quietly."""


def ending(kind):
    codes = {"abort": 1006, "black hole": 1006, "too big": 1009}
    code = codes[kind] if kind in codes else int(kind)
    quiet = code in (1000, 1001, 1005, 1012, 1013)  # the server only restarts
    return "ConnectionClosedOK" if quiet else "ConnectionClosedError", code, not quiet
