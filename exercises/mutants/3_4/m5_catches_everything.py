"""3.4 cancel: CancelledError was swallowed: the server could not be stopped."""

import json


async def reply_for(raw, routes):
    number = None

    def failure(code, message):
        return {"id": number, "ok": False, "error": {"code": code, "message": message}}

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
    except BaseException:
        return failure("internal", "internal error")
    return {"id": number, "ok": True, "body": result}
