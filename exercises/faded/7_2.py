async def calc_handler(ws):
    in_a_row = 0
    try:
        async for message in ws:  # 2 read
            reply = reply_to(message)  # 3 decide
            await ws.send(json.dumps(reply))  # 4 answer
            in_a_row = ...  # 0 after a good message, one more after a bad one
            if in_a_row == 5:
                await ws.close(1008, "five bad messages in a row")
    except ConnectionClosed:
        pass  # the client has left: no error, and nothing to clean up


def reply_to(message):
    def error(code, text):
        return {"id": number, "ok": False, "error": {"code": code, "message": text}}

    number = None
    try:
        request = json.loads(message)
    except ValueError:
        return error("bad_json", "this is no JSON")
    if not isinstance(request, dict):
        return error("bad_message", "a message is an object")
    number = request.get("id")
    if not isinstance(request.get("type"), str):
        return error("bad_message", "the type is a text")
    if request["type"] != "calc":
        return error("unknown_type", "I only know calc")
    ...  # try to return the good reply, with the body calculated; if that raises: error("bad_request", …)
