def next_step(exc, close_code):
    if close_code is None:  # there never was a connection
        if isinstance(exc, InvalidStatus):
            status = ...  # the number of the HTTP answer
            if status >= 500:
                return "retry"
            return {401: "refresh_token", 429: "retry_later"}.get(status, "fix_code")
        return "retry" if isinstance(exc, (OSError, InvalidMessage)) else "fix_code"
    if close_code in (1000, 1005):
        return "done"
    if close_code in ...:  # after which codes will the server, or the way to it, be back?
        return "retry"
    return {1013: "retry_later", 4401: "refresh_token"}.get(close_code, "fix_code")
