"""A calculator of its own with floats and a stack, a loop around recv, and errors as an exception of its own."""

import json
import re

from websockets import ConnectionClosed

RANK = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 3}


class Refused(Exception):
    def __init__(self, code, id=None):
        super().__init__(f"refused: {code}")
        self.code, self.id = code, id


class Sum:
    def __init__(self, text):
        self.tokens = re.findall(r"\d+\.?\d*|\*\*|\S", text)

    def take(self):
        return self.tokens.pop(0) if self.tokens else None

    def value(self):
        token = self.take()
        if token == "-":
            return -self.value()
        if token == "(":
            value = self.total(1)
            if self.take() != ")":
                raise ValueError("a bracket is not closed")
            return value
        return float(token)

    def total(self, rank):
        left = self.value()
        while self.tokens and RANK.get(self.tokens[0], 0) >= rank:
            sign = self.take()
            right = self.total(RANK[sign] + (sign != "**"))
            if sign == "**":
                left = left**right  # of floats: too big raises OverflowError at once
            elif sign == "/":
                left = left / right
            else:
                left = {"+": left + right, "-": left - right, "*": left * right}[sign]
        return left


def parsed(raw):
    try:
        message = json.loads(raw)
    except ValueError:
        raise Refused("bad_json") from None
    if type(message) is not dict:
        raise Refused("bad_message")
    id = message.get("id")
    if type(message.get("type")) is not str:
        raise Refused("bad_message", id)
    if message["type"] != "calc":
        raise Refused("unknown_type", id)
    return id, message.get("body")


def worked_out(raw):
    id, body = parsed(raw)
    try:
        reading = Sum(body)
        result = reading.total(1)
        if reading.tokens:
            raise ValueError("something is left over")
    except (ValueError, TypeError, ArithmeticError):
        raise Refused("bad_request", id) from None
    return {"id": id, "ok": True, "body": result}


async def calc_handler(ws):
    strikes = 5
    while strikes:
        try:
            raw = await ws.recv()
        except ConnectionClosed:
            return
        try:
            reply, strikes = worked_out(raw), 5
        except Refused as refused:
            strikes -= 1
            reply = {"id": refused.id, "ok": False, "error": {"code": refused.code, "message": str(refused)}}
        try:
            await ws.send(json.dumps(reply))
        except ConnectionClosed:
            return
    await ws.close(1008)
