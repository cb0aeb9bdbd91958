"""5.2 message: {did} returned {x}; it has to return a Message with type, id, meta and body, or to raise BadMessage."""

import json
import math


class BadMessage(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Message:
    def __init__(self, type, id, meta, body):
        self.type, self.id, self.meta, self.body = type, id, meta, body


def encode(type, body=None, *, id=None, meta=None):
    return json.dumps({"v": 1, "type": type, "id": id, "meta": meta, "body": body}, allow_nan=False)


def refuse(name):
    raise ValueError(f"{name} is not JSON")


def finite(text):
    number = float(text)
    return number if math.isfinite(number) else refuse(text)


def decode(raw, *, max_bytes=65536):
    if not isinstance(raw, str):
        raise BadMessage("not_text")
    if len(raw.encode()) > max_bytes:
        raise BadMessage("too_big")
    try:
        message = json.loads(raw, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError):
        raise BadMessage("bad_json") from None
    if not isinstance(message, dict):
        raise BadMessage("not_object")
    if not isinstance(message.get("type"), str):
        raise BadMessage("bad_type")
    if message.get("v") != 1:
        raise BadMessage("bad_version")
    return message
