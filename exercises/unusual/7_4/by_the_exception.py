"""Decides by the exception first, with its close frames, and by the code only where there is no exception."""

from websockets import ConnectionClosed
from websockets.exceptions import InvalidHandshake, InvalidStatus

STEPS = {
    "done": {1000, 1005},
    "retry": {1001, 1006, 1011, 1012, 500, 502, 503, 504},
    "retry_later": {1013, 429},
    "refresh_token": {4401, 401},
}


def next_step(exc, close_code):
    match exc:
        case InvalidStatus(response=response):
            number = response.status_code
        case ConnectionClosed(rcvd=None) | OSError() | InvalidHandshake():
            return "retry"
        case ConnectionClosed(rcvd=frame):
            number = frame.code
        case None:
            number = close_code
    return next((step for step, numbers in STEPS.items() if number in numbers), "fix_code")
