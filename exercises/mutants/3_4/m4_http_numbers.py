"""3.4 shape: error.code must be one of bad_json, bad_message, unknown_type, bad_request, internal, saw {x}."""

import json


async def reply_for(raw, routes):
    number = None

    def failure(code, message):
        return {"id": number, "ok": False, "error": {"code": code, "message": message}}

    try:
        request = json.loads(raw)
    except (ValueError, RecursionError):
        return failure(400, "this is no JSON")
    if not isinstance(request, dict):
        return failure(422, "a request is an object")
    number = request.get("id")
    kind = request.get("type")
    if not isinstance(kind, str):
        return failure(422, "the type must be a text")
    if kind not in routes:
        return failure(404, "there is no such type")
    try:
        result = await routes[kind](request.get("body"))
        json.dumps(result)
    except ValueError as exc:
        return failure(409, f"this cannot be done: {exc}")
    except Exception:
        return failure(500, "internal error")
    return {"id": number, "ok": True, "body": result}
