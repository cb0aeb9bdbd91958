"""7.4 503: this was an HTTP status before any connection existed; look at exc.response.status_code."""

from websockets import InvalidMessage


def next_step(exc, close_code):
    if isinstance(exc, (OSError, InvalidMessage)):
        return "retry"
    if close_code in (1000, 1005):
        return "done"
    if close_code in (1001, 1006, 1011, 1012, 500, 502, 503, 504):
        return "retry"
    if close_code in (1013, 429):
        return "retry_later"
    if close_code in (4401, 401):
        return "refresh_token"
    return "fix_code"
