def ending(kind):
    codes = {"abort": ..., "black hole": ..., "too big": 1009}  # what has no number in its name
    code = codes[kind] if kind in codes else int(kind)
    quiet = code in (1000, 1001, 1005)
    exception = ...  # one of two names, and which depends on quiet
    return exception, code, not quiet
