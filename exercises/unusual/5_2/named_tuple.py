"""A named tuple for the message, and one try around every step."""

import collections
import json

Message = collections.namedtuple("Message", "type id meta body")


class BadMessage(Exception):
    def __init__(self, code):
        self.code = code


def must(code, holds):
    if not holds:
        raise BadMessage(code)


def encode(type, body=None, *, id=None, meta=None):
    return json.JSONEncoder(allow_nan=False).encode({"body": body, "meta": meta, "id": id, "type": type, "v": 1})


def decode(raw, *, max_bytes=65536):
    must("not_text", isinstance(raw, str))
    must("too_big", len(bytes(raw, "utf-8")) <= max_bytes)
    try:
        found = json.loads(raw)
        json.JSONEncoder(allow_nan=False).encode(found)
    except Exception:
        raise BadMessage("bad_json") from None
    must("not_object", isinstance(found, dict))
    must("bad_type", isinstance(found.get("type"), str))
    must("bad_version", found.get("v") == 1)
    return Message(*(found.get(part) for part in Message._fields))
