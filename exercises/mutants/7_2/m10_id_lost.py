"""7.2 id: the error reply has the id null, the request had {id}: its sender waits for ever."""

import ast
import json
import operator

from websockets import ConnectionClosed

SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
SIGNS[ast.Pow] = operator.pow


def calculate(text):
    def work_out(node):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -work_out(node.operand)
        if isinstance(node, ast.BinOp):
            left, right = work_out(node.left), work_out(node.right)
            if isinstance(node.op, ast.Pow) and right > 1000:
                raise ValueError("the exponent is too big")
            return SIGNS[type(node.op)](left, right)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value
        raise ValueError("this is no sum")

    return work_out(ast.parse(text, mode="eval").body)


def reply_to(message):
    number = None
    try:
        request = json.loads(message)
        if not isinstance(request, dict):
            return error(None, "bad_message")
        number = request.get("id")
        if not isinstance(request.get("type"), str):
            return error(None, "bad_message")
        if request["type"] != "calc":
            return error(None, "unknown_type")
    except ValueError:
        return error(None, "bad_json")
    try:
        return {"id": number, "ok": True, "body": calculate(request["body"])}
    except Exception:
        return error(None, "bad_request")


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
