"""7.1 too big: the receiver closed with 1009; the sender reads rcvd 1009."""


def ending(kind):
    code = int(kind) if kind.isdigit() else 1006
    quiet = code in (1000, 1001, 1005)
    return "ConnectionClosedOK" if quiet else "ConnectionClosedError", code, not quiet
