"""3.4 input null: raised AttributeError; on a server this would close the connection with 1011."""

import json


async def reply_for(raw, routes):
    try:
        request = json.loads(raw)
    except json.JSONDecodeError:
        return {"id": None, "ok": False, "error": {"code": "bad_json", "message": "no JSON"}}
    number, kind = request.get("id"), request.get("type")
    if kind not in routes:
        return {"id": number, "ok": False, "error": {"code": "unknown_type", "message": "no such type"}}
    try:
        return {"id": number, "ok": True, "body": await routes[kind](request.get("body"))}
    except ValueError:
        return {"id": number, "ok": False, "error": {"code": "bad_request", "message": "impossible"}}
    except Exception:
        return {"id": number, "ok": False, "error": {"code": "internal", "message": "internal error"}}
