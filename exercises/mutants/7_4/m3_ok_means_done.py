"""7.4 1001: the server is going away, you still want your data: retry."""

from websockets import ConnectionClosedOK, InvalidStatus


def next_step(exc, close_code):
    if exc is None or isinstance(exc, ConnectionClosedOK):
        return "done"
    if isinstance(exc, InvalidStatus):
        status = exc.response.status_code
        if status in (500, 502, 503, 504):
            return "retry"
        return {401: "refresh_token", 429: "retry_later"}.get(status, "fix_code")
    if close_code in (None, 1006, 1011, 1012):
        return "retry"
    return {1013: "retry_later", 4401: "refresh_token"}.get(close_code, "fix_code")
