"""7.4 refused: ConnectionRefusedError (an OSError) came out of connect."""

from websockets import ConnectionClosed


def next_step(exc, close_code):
    if exc is not None and not isinstance(exc, ConnectionClosed):
        raise exc
    if close_code in (1000, 1005):
        return "done"
    if close_code in (1001, 1006, 1011, 1012):
        return "retry"
    return {1013: "retry_later", 4401: "refresh_token"}.get(close_code, "fix_code")
