"""7.1 abort: no close frame came, so close_code is 1006 and exc.rcvd is None."""


def ending(kind):
    codes = {"abort": 1001, "black hole": 1006, "too big": 1009}
    code = codes[kind] if kind in codes else int(kind)
    quiet = code in (1000, 1001, 1005)
    return "ConnectionClosedOK" if quiet else "ConnectionClosedError", code, not quiet
