"""7.1 black hole: exc.sent is 1011, but close_code is 1006: nothing was received."""


def ending(kind):
    codes = {"abort": 1006, "black hole": 1011, "too big": 1009}
    code = codes[kind] if kind in codes else int(kind)
    quiet = code in (1000, 1001, 1005)
    return "ConnectionClosedOK" if quiet else "ConnectionClosedError", code, not quiet
