"""7.2 input: "{program}" was executed."""

import json

from websockets import ConnectionClosed


def reply_to(message):
    number = None
    try:
        request = json.loads(message)
        if not isinstance(request, dict):
            return error(number, "bad_message")
        number = request.get("id")
        if not isinstance(request.get("type"), str):
            return error(number, "bad_message")
        if request["type"] != "calc":
            return error(number, "unknown_type")
    except ValueError:
        return error(number, "bad_json")
    try:
        return {"id": number, "ok": True, "body": eval(request["body"])}
    except Exception:
        return error(number, "bad_request")


def error(number, code):
    return {"id": number, "ok": False, "error": {"code": code, "message": "sorry"}}


async def calc_handler(ws):
    in_a_row = 0
    try:
        async for message in ws:
            reply = reply_to(message)
            await ws.send(json.dumps(reply))
            in_a_row = 0 if reply["ok"] else in_a_row + 1
            if in_a_row == 5:
                await ws.close(1008)
    except ConnectionClosed:
        pass
