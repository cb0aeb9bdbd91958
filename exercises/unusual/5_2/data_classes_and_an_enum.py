"""A frozen data class, codes of an enumeration, and steps in a list."""

import json
from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    NOT_TEXT, TOO_BIG, BAD_JSON = "not_text", "too_big", "bad_json"
    NOT_OBJECT, BAD_TYPE, BAD_VERSION = "not_object", "bad_type", "bad_version"


class BadMessage(ValueError):
    @property
    def code(self):
        return self.args[0]


@dataclass(frozen=True, slots=True)
class Message:
    type: str
    id: object = None
    meta: object = None
    body: object = None


def encode(type, body=None, *, id=None, meta=None):
    text = json.dumps(dict(v=1, type=type, id=id, meta=meta or {}, body=body), ensure_ascii=False, indent=1)
    decode(text, max_bytes=len(text) * 4)
    return text


def decode(raw, *, max_bytes=65536):
    read = None
    steps = {
        Code.NOT_TEXT: lambda: type(raw) is str,
        Code.TOO_BIG: lambda: sum(1 + (c > "\x7f") + (c > "\u07ff") + (c > "\uffff") for c in raw) <= max_bytes,
        Code.BAD_JSON: lambda: _parse(raw)[0],
        Code.NOT_OBJECT: lambda: type(read) is dict,
        Code.BAD_TYPE: lambda: type(read.get("type")) is str,
        Code.BAD_VERSION: lambda: read.get("v") == 1,
    }
    for code, is_right in steps.items():
        if not is_right():
            raise BadMessage(code)
        if code is Code.BAD_JSON:
            read = _parse(raw)[1]
    return Message(**{key: read[key] for key in Message.__slots__ if key in read})


def _parse(raw):
    try:
        value = json.loads(raw)
        json.dumps(value, allow_nan=False)
        return True, value
    except (ValueError, RecursionError):
        return False, None
