"""The envelope of exercise 5.2: a message is a JSON object with version, type, id, meta and body."""

import json
import math
from typing import Any, NamedTuple


class Message(NamedTuple):
    """What is in an envelope."""

    type: str
    id: Any = None
    meta: Any = None
    body: Any = None


class BadMessage(ValueError):
    """What has arrived is no envelope; `code` says why."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def encode(type, body=None, id=None, meta=None):
    """Make the text of a message."""
    return json.dumps({"type": type, "v": 1, "id": id, "meta": meta, "body": body}, allow_nan=False)


def decode(raw):
    """Make a `Message` of what has arrived.

    Raises:
        BadMessage: With the code "not_text", "bad_json", "not_object", "bad_type" or "bad_version".
    """
    if not isinstance(raw, str):
        raise BadMessage("not_text")
    try:
        message = json.loads(raw, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        raise BadMessage("bad_json") from None
    if not isinstance(message, dict):
        raise BadMessage("not_object")
    if not isinstance(message.get("type"), str):
        raise BadMessage("bad_type")
    if message.get("v") != 1:
        raise BadMessage("bad_version")
    return Message(message["type"], message.get("id"), message.get("meta"), message.get("body"))


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not JSON")
    return number
