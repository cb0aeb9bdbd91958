"""7.4 1009: the same message will be too big again."""

from websockets import InvalidStatus


def next_step(exc, close_code):
    if isinstance(exc, InvalidStatus):
        status = exc.response.status_code
        if status in (500, 502, 503, 504):
            return "retry"
        return {401: "refresh_token", 429: "retry_later"}.get(status, "fix_code")
    if close_code in (1000, 1005):
        return "done"
    if close_code == 1013:
        return "retry_later"
    if close_code == 4401:
        return "refresh_token"
    if close_code in (1002, 1003, 1007, 1008, 1010) or (close_code or 0) >= 4000:
        return "fix_code"
    return "retry"
