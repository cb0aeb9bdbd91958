"""7.4 401: "retry" repeats a refused handshake for ever."""


def next_step(exc, close_code):
    return "done" if close_code == 1000 else "retry"
