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
    # 1 is it a text?
    if not isinstance(raw, str):
        raise BadMessage("not_text")
    # 2 how many bytes?
    if ...:  # the limit counts bytes, and raw is made of characters
        raise BadMessage("too_big")
    # 3 is it JSON?
    try:
        message = json.loads(raw, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError):
        raise BadMessage("bad_json") from None
    # 4 is it an envelope?
    if not isinstance(message, dict):
        raise BadMessage("not_object")
    ...  # bad_type and bad_version: message.get(…) is None where a key is missing
    # 5 only what is known
    return Message(message["type"], message.get("id"), message.get("meta"), message.get("body"))
