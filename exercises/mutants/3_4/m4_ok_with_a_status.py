"""3.4 shape: error.code must be one of bad_json, bad_message, unknown_type, bad_request, internal, saw {x}."""

import json


async def reply_for(raw, routes):
    number = None

    def failure(code, message):
        return {"id": number, "ok": True, "body": {"status": 200, "error": message}}

    try:
        request = json.loads(raw)
    except (ValueError, RecursionError):
        return failure("bad_json", "this is no JSON")
    if not isinstance(request, dict):
        return failure("bad_message", "a request is an object")
    number = request.get("id")
    kind = request.get("type")
    if not isinstance(kind, str):
        return failure("bad_message", "the type must be a text")
    if kind not in routes:
        return failure("unknown_type", "there is no such type")
    try:
        result = await routes[kind](request.get("body"))
        json.dumps(result)
    except ValueError as exc:
        return failure("bad_request", f"this cannot be done: {exc}")
    except Exception:
        return failure("internal", "internal error")
    return {"id": number, "ok": True, "body": result}
