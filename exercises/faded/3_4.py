async def reply_for(raw, routes):
    number = None

    def failure(code, message):
        return {"id": number, "ok": False, "error": {"code": code, "message": message}}

    try:
        request = json.loads(raw)
    except (ValueError, RecursionError):
        return failure("bad_json", "this is no JSON")
    ...  # JSON, but no dictionary, or a type that is no text: bad_message, with the id as soon as there is one
    number = request.get("id")
    kind = request.get("type")
    if kind not in routes:
        return failure("unknown_type", "there is no such type")
    try:
        result = await routes[kind](request.get("body"))
        json.dumps(result)
    except ValueError as exc:
        return failure("bad_request", f"this cannot be done: {exc}")
    ...  # any other Exception: internal, and nothing of it gets out
    return {"id": number, "ok": True, "body": result}
