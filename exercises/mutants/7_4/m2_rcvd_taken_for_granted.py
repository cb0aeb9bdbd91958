"""7.4 abort: AttributeError: exc.rcvd is None when no close frame came."""

from websockets import ConnectionClosed, InvalidStatus

STEPS = {
    401: "refresh_token",
    429: "retry_later",
    1000: "done",
    1005: "done",
    1013: "retry_later",
    4401: "refresh_token",
}


def next_step(exc, close_code):
    if isinstance(exc, ConnectionClosed):
        number = exc.rcvd.code
    elif isinstance(exc, InvalidStatus):
        number = exc.response.status_code
    elif exc is None:
        number = close_code
    else:
        return "retry"
    if number in (500, 502, 503, 504, 1001, 1006, 1011, 1012):
        return "retry"
    return STEPS.get(number, "fix_code")
