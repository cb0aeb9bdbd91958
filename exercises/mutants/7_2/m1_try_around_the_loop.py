"""7.2 after an error: the next good message got no answer; your try ends the loop."""

import ast
import json
import operator

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


async def calc_handler(ws):
    request = {}
    try:
        async for message in ws:
            request = json.loads(message)
            await ws.send(json.dumps({"id": request["id"], "ok": True, "body": calculate(request["body"])}))
    except Exception as exc:
        error = {"code": "bad_request", "message": str(exc)}
        await ws.send(json.dumps({"id": request.get("id"), "ok": False, "error": error}))
