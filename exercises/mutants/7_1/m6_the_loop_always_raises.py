"""7.1 {kind}: the loop ended quietly, as it does on 1000, 1001 and 1005."""


def ending(kind):
    codes = {"abort": 1006, "black hole": 1006, "too big": 1009}
    code = codes[kind] if kind in codes else int(kind)
    exception = "ConnectionClosedOK" if code in (1000, 1001, 1005) else "ConnectionClosedError"
    return exception, code, True  # recv raises on every end, so why not the loop
