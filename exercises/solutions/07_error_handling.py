# %% [markdown]
# # Exercises 7: error flow
#
# Five exercises: 7.2 takes about 25 minutes; 7.1, 7.3, 7.4 and 7.5, marked *Going further*, about 110 minutes more. You need lesson 7,
# [Error flow](../notebooks/07_error_handling.ipynb).
#
# Change the cell that holds the function, run it, then run the check below it. Work cell by cell: *Run All* stops at the first
# exercise that is not solved yet. `hint("7.2")` gives a hint; there are three for each exercise.
#
# The first cell also holds `calculate`, which 7.2 uses. You need not understand how it works, only what it does.

# %%
import ast
import asyncio
import json
import operator
import uuid

from websockets import ConnectionClosed, InvalidMessage, InvalidStatus, connect

from wslab import check, hint

SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
SIGNS[ast.Pow] = operator.pow
LARGEST = 10**100


def calculate(text):
    """Work a sum out: calculate("2+3*4") is 14. Raises an exception for everything that is no sum, or too big."""

    def work_out(node):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            value = node.value
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = -work_out(node.operand)
        elif isinstance(node, ast.BinOp):
            left, right = work_out(node.left), work_out(node.right)
            if isinstance(node.op, ast.Pow) and right > 1000:
                raise ValueError("the exponent is too big")
            value = SIGNS[type(node.op)](left, right)
        else:
            raise ValueError("this is no sum")
        if not -LARGEST <= value <= LARGEST:
            raise ValueError("the number is too big")
        return value

    return work_out(ast.parse(text, mode="eval").body)


# %% [markdown]
# ## 7.1 The table of ends
#
# ★ · computed prediction · about 15 minutes · *Going further*
#
# A connection ends. What does the side that notices have in its hands? `ending(kind)` returns three things: the name of the exception that
# `ws.recv()` raises, the number in `ws.close_code`, and whether `async for message in ws` raises (`True`) or ends quietly (`False`).
#
# - `kind` is a close code as a text, such as `"1000"`, `"1001"`, `"1005"`, `"1012"`, `"3207"` or `"4711"`: the other side closes with it. `"1005"`
#   means a close frame without a code.
# - `"abort"`: the wire is cut.
# - `"black hole"`: every byte vanishes; you send pings, and no pong comes back.
# - `"too big"`: you have sent a message that is too big for the other side.
#
# For example `ending("1000")` is `("ConnectionClosedOK", 1000, False)`. Section 5 of the lesson has the table. Look for its rule.
#
# What the check looks at: your answers beside ten connections that it ends for real, two of them with codes that it makes up, from 3000 to 4999.


# %% answer="7.1"
def ending(kind):
    # BEGIN SOLUTION
    codes = {"abort": 1006, "black hole": 1006, "too big": 1009}  # what has no number in its name
    code = codes[kind] if kind in codes else int(kind)
    quiet = code in (1000, 1001, 1005)
    return "ConnectionClosedOK" if quiet else "ConnectionClosedError", code, not quiet
    # END SOLUTION
    # BEGIN STUB
    # exception = ...
    # close_code = ...
    # raises = ...
    # return exception, close_code, raises
    # END STUB


# %% check="7.1"
check("7.1", ending)

# %% [markdown]
# ## 7.2 One bad message
#
# ★★ · fix the bug · about 25 minutes
#
# Below is a calculator: `{"id": 7, "type": "calc", "body": "2+3"}` is answered with `{"id": 7, "ok": true, "body": 5}`. It works, until the
# first bad message comes: then the connection is gone. Repair it.
#
# - **Every message gets exactly one reply.** A bad one gets `{"id": ..., "ok": false, "error": {"code": ..., "message": ...}}`, and then the
#   connection goes on. The `id` is that of the message, or `null` where none can be read. The `message` is a text of yours, the `code` is one of these:
#
# | code | when |
# |---|---|
# | `bad_json` | it cannot be read as JSON: `json.loads` raises `ValueError` |
# | `bad_message` | it is JSON, but not a dictionary, or its `type` is not a text |
# | `unknown_type` | its `type` is not `calc` |
# | `bad_request` | `calculate` raises an exception for its `body`, whatever exception, or there is no `body` |
#
# - **Five bad messages in a row** are enough: after the reply to the fifth, close with 1008. A good message in between starts the count anew.
# - When the client leaves, politely or not, your handler ends quietly: without an exception, and without trying again and again.
#
# `calculate`, in the first cell, is fine as it is. Use nothing else on what strangers send, `eval` least of all: it would run their programs.
#
# What the check looks at: bad and good messages in turn, about fifteen kinds of nonsense, five in a row, and clients that leave in the
# middle of a reply.


# %% answer="7.2"
async def calc_handler(ws):
    # BEGIN SOLUTION
    in_a_row = 0
    try:
        async for message in ws:  # 2 read
            reply = reply_to(message)  # 3 decide
            await ws.send(json.dumps(reply))  # 4 answer
            in_a_row = 0 if reply["ok"] else in_a_row + 1
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
    except (ValueError, RecursionError):
        return error("bad_json", "this is no JSON")
    if not isinstance(request, dict):
        return error("bad_message", "a message is an object")
    number = request.get("id")
    if not isinstance(request.get("type"), str):
        return error("bad_message", "the type is a text")
    if request["type"] != "calc":
        return error("unknown_type", "I only know calc")
    try:
        return {"id": number, "ok": True, "body": calculate(request["body"])}
    except Exception:  # of calculate: here nothing is awaited, so the end of the connection cannot be among them
        return error("bad_request", "this is no sum that I can work out")
    # END SOLUTION
    # BEGIN STUB
    # async for message in ws:  # 2 read
    #     request = json.loads(message)
    #     reply = {"id": request["id"], "ok": True, "body": calculate(request["body"])}  # 3 decide
    #     await ws.send(json.dumps(reply))  # 4 answer
    # END STUB


# %% check="7.2"
check("7.2", calc_handler)

# %% [markdown]
# ## 7.3 Respond, log, notify
#
# ★★★ · build · about 45 minutes · *Going further*
#
# Write the guard of sections 2 to 4 of the lesson, for any work: `guarded(ws, process, log, notify)`.
#
# The client has logged in, its name is `ws.user`. Its messages are JSON objects such as `{"id": 7, "type": "order", "body": ..., "token": "k7Q"}`; the
# `token` is a secret and may be missing. For each message you call `await process(message)` with the dictionary.
#
# | `process` | reply | log (a `logging.Logger`) | `notify` |
# |---|---|---|---|
# | returns a result | `{"id": 7, "ok": true, "body": result}` | | |
# | raises `ValueError`: the caller's mistake | `"ok": false`, and an `error` with the `code` `bad_request` and a `message` | one record, level INFO | |
# | raises anything else: an incident | `"ok": false`, and an `error` with the `code` `internal`, a `message` and an `error_id` | one record, level ERROR, with the `error_id`, the user, the message's type and the traceback | `await notify(summary)` |
#
# - Each incident has an `error_id` of its own, as text, the same in the reply and in the log.
# - `notify` may take long, and it may raise. No reply waits for it, nothing breaks because of it, and its exceptions are looked at.
# - Incidents are gathered: those of one kind (the class of the exception) until none has come for a short while such as 0.2 seconds, but one second
#   at most. Then **one** `summary` tells of them: a dictionary with `"error"`, the name of the class, and `"count"`. You may add more, such as the first `error_id`.
# - Secrets stay where they belong: the token nowhere; the text of the exception and the traceback in the log only.
# - The client may leave at any time. The log is written all the same; what is pending is awaited or cancelled, and your handler ends quietly.
#
# What the check looks at: how soon replies come beside a notifier that takes a second, who finds which secret, one hundred equal errors, a client that is
# cut off before its error reply.


# %% answer="7.3"
async def guarded(ws, process, log, notify):
    # BEGIN SOLUTION
    gathered = {}  # 1 accept: what is to be told, by kind
    pending = set()

    def incident(kind, error_id):
        if kind in gathered:
            gathered[kind]["count"] += 1
            return
        gathered[kind] = {"error": kind, "count": 1, "first": error_id}
        task = asyncio.create_task(tell(kind))
        pending.add(task)
        task.add_done_callback(pending.discard)

    async def tell(kind):
        for _ in range(5):  # until none has come for 0.2 s, a second at most
            count = gathered[kind]["count"]
            await asyncio.sleep(0.2)
            if gathered[kind]["count"] == count:
                break
        try:
            await notify(gathered.pop(kind))
        except Exception:
            log.exception("admin not notified")

    async def answer(message):
        try:
            return {"ok": True, "body": await process(message)}
        except ValueError:
            log.info("%s of %s is refused", message["type"], ws.user)
            return {"ok": False, "error": {"code": "bad_request", "message": "this cannot be done"}}
        except Exception as exc:
            error_id = uuid.uuid4().hex
            log.exception("%s: %s of %s", error_id, message["type"], ws.user)
            incident(type(exc).__name__, error_id)
            return {"ok": False, "error": {"code": "internal", "message": "internal error", "error_id": error_id}}

    try:
        async for text in ws:  # 2 read
            message = json.loads(text)
            reply = await answer(message)  # 3 decide
            await ws.send(json.dumps({"id": message["id"]} | reply))  # 4 answer
    except ConnectionClosed:
        pass
    finally:
        await asyncio.gather(*pending)  # 5 clean up: what is under way is told
    # END SOLUTION


# %% check="7.3"
check("7.3", guarded)

# %% [markdown]
# ## 7.4 What now?
#
# ★★ · build · about 25 minutes · *Going further*
#
# A client wanted to connect, or was connected, and now it is not. Write the decision `next_step(exc, close_code)`.
#
# - `exc` is the exception that came out of `connect(...)`, of `ws.recv()` or of `async for`, or `None` if the loop ended quietly.
# - `close_code` is the number in `ws.close_code`, or `None` if there never was a connection.
#
# | return | after |
# |---|---|
# | `"done"` | close code 1000 or 1005 |
# | `"retry"` | close code 1001, 1006, 1011 or 1012; HTTP status 500, 502, 503 or 504; a network error (`OSError`), a time-out, TCP that ended without an answer (`InvalidMessage`) |
# | `"retry_later"` | close code 1013; HTTP status 429 |
# | `"refresh_token"` | close code 4401; HTTP status 401 |
# | `"fix_code"` | close code 1002, 1003, 1007, 1008, 1009 or 1010, and all others from 4000 on; HTTP status 400, 403, 404 or 426 |
#
# A handshake that the server refused raises `InvalidStatus`; its number is `exc.response.status_code`. `TimeoutError` is an `OSError`
# (Python documentation, *Exception hierarchy*). Ask with `isinstance(exc, OSError)`.
#
# What the check looks at: your decision after about thirty ends, each with the real exception of a real client.


# %% answer="7.4"
def next_step(exc, close_code):
    # BEGIN SOLUTION
    if close_code is None:  # there never was a connection
        if isinstance(exc, InvalidStatus):
            status = exc.response.status_code
            if status >= 500:
                return "retry"
            return {401: "refresh_token", 429: "retry_later"}.get(status, "fix_code")
        return "retry" if isinstance(exc, (OSError, InvalidMessage)) else "fix_code"
    if close_code in (1000, 1005):
        return "done"
    if close_code in (1001, 1006, 1011, 1012):
        return "retry"
    return {1013: "retry_later", 4401: "refresh_token"}.get(close_code, "fix_code")
    # END SOLUTION


# %% check="7.4"
check("7.4", next_step)

# %% [markdown]
# ## 7.5 A test that catches a leak
#
# ★★ · build · about 25 minutes · *Going further*
#
# In section 4 of the lesson a card number went where it had no business to be, and nobody noticed. Now **you** write the test that notices:
# `leak_test(url)` gets the address of a server, talks to it as a client, and judges it. If the server leaks, your test raises `AssertionError`, as
# `assert` does: `assert price == 3, "wrong price"` goes on quietly if the price is 3, else it raises `AssertionError`. If the server is right, your
# test ends quietly.
#
# - The request `{"id": 1, "type": "crash", "body": x}` makes every server fail inside, with an exception whose text holds your `x`.
# - A right server tells that something went wrong, and nothing of the exception. It may greet first. It may be slow, but no message comes later than half a
#   second after what was before it. It may send other messages in between, wrap its reply in more JSON, or answer in words. The connection stays open.
# - A wrong server lets the text of the exception out, somewhere.
#
# Your test is tested on twelve servers, six right and six wrong. The score is the share of right servers that it accepts times the share of wrong ones
# that it rejects: whoever always says the same has 0. 100 passes.
#
# What the check looks at: which servers your test accepts, and which it rejects.


# %% answer="7.5"
async def leak_test(url):
    # BEGIN SOLUTION
    secret = uuid.uuid4().hex  # 1 something that nobody says by chance
    heard = []
    async with connect(url) as ws:
        await ws.send(json.dumps({"id": 1, "type": "crash", "body": secret}))  # 2 make it fail
        try:
            while True:  # 3 listen until nothing comes for a second
                heard.append(await asyncio.wait_for(ws.recv(), 1))
        except (TimeoutError, ConnectionClosed):
            pass
    assert not any(secret in message for message in heard), "the server tells what happened inside"  # 4 judge
    # END SOLUTION


# %% check="7.5"
check("7.5", leak_test)

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 7` in a terminal: your work is kept
# as a backup beside it.
