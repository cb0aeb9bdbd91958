"""3.4 bad_message: the reply has id null although the request had {id}: the caller waits until time-out."""

import json


async def reply_for(raw, routes):
    try:
        request = json.loads(raw)
        if not isinstance(request, dict) or not isinstance(request.get("type"), str):
            return {"id": None, "ok": False, "error": {"code": "bad_message", "message": "no request"}}
        body = await routes[request["type"]](request.get("body"))
        json.dumps(body)
        return {"id": request.get("id"), "ok": True, "body": body}
    except json.JSONDecodeError:
        return {"id": None, "ok": False, "error": {"code": "bad_json", "message": "no JSON"}}
    except KeyError:
        return {"id": None, "ok": False, "error": {"code": "unknown_type", "message": "no such type"}}
    except ValueError as exc:
        return {"id": None, "ok": False, "error": {"code": "bad_request", "message": str(exc)}}
    except Exception:
        return {"id": None, "ok": False, "error": {"code": "internal", "message": "internal error"}}
