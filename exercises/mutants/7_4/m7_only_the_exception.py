"""7.4 {code}: next_step raised AttributeError: {text}. Expected: {step}, for {why}."""

from websockets import InvalidMessage, InvalidStatus


def next_step(exc, close_code):
    if isinstance(exc, (OSError, InvalidMessage)):
        return "retry"
    if isinstance(exc, InvalidStatus):
        status = exc.response.status_code
        if status in (500, 502, 503, 504):
            return "retry"
        return {401: "refresh_token", 429: "retry_later"}.get(status, "fix_code")
    if exc.rcvd is None:
        return "retry"
    if exc.rcvd.code in (1000, 1005):
        return "done"
    if exc.rcvd.code in (1001, 1011, 1012):
        return "retry"
    return {1013: "retry_later", 4401: "refresh_token"}.get(exc.rcvd.code, "fix_code")
