"""One exception of its own with a code, raised wherever something is wrong; the reply is built in one place."""

import asyncio
import json


class Failed(Exception):
    pass


async def work(raw, routes, reply):
    try:
        request = json.loads(raw)
    except (ValueError, RecursionError):
        raise Failed("bad_json") from None
    match request:
        case {"id": number}:
            reply["id"] = number
    match request:
        case {"type": str(kind)} if kind in routes:
            pass
        case {"type": str(kind)}:
            raise Failed("unknown_type")
        case _:
            raise Failed("bad_message")
    try:
        result = await asyncio.create_task(routes[kind](request.get("body")))
    except ValueError as exc:
        raise Failed("bad_request") from exc
    return json.loads(json.dumps(result))


async def reply_for(raw, routes):
    reply = {"id": None, "ok": True}
    try:
        reply["body"] = await work(raw, routes, reply)
    except asyncio.CancelledError:
        raise
    except BaseException as exc:
        code = exc.args[0] if type(exc) is Failed else "internal"
        reply |= {"ok": False, "error": {"code": code, "message": "Sorry: " + code, "retry": code == "internal"}}
    return reply
