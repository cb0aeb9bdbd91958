"""7.1 {kind}: recv raised ConnectionClosedOK; 1000, 1001 and 1005 are normal ends."""


def ending(kind):
    codes = {"abort": 1006, "black hole": 1006, "too big": 1009}
    code = codes[kind] if kind in codes else int(kind)
    return "ConnectionClosedError", code, code not in (1000, 1001, 1005)
