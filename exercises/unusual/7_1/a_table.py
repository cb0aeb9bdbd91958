"""A table of rules with the library's own names of the codes, and a list instead of a tuple."""

from websockets import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import CloseCode

NORMAL = [CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD]


async def ending(kind):
    match kind:
        case "abort" | "black hole":
            code = CloseCode.ABNORMAL_CLOSURE
        case "too big":
            code = CloseCode.MESSAGE_TOO_BIG
        case number:
            code = int(number)
    exception = ConnectionClosedOK if code in NORMAL else ConnectionClosedError
    return [exception.__name__, code, code not in NORMAL]
