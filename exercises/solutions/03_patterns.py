# %% [markdown]
# # Exercises 3: four patterns
#
# Four exercises: 3.1 and 3.2 take about 35 minutes; 3.3 and 3.4, marked *Going further*, about 60 minutes more. You need lesson 3,
# [Four patterns](../notebooks/03_patterns.ipynb).
#
# Change the cell that holds the function, run it, then run the check below it. Work cell by cell: *Run All* stops at the first
# exercise that is not solved yet. `hint("3.1")` gives a hint; there are three for each exercise.

# %%
import asyncio
import hmac
import inspect
import json

from websockets import ConnectionClosed

from wslab import check, hint

# %% [markdown]
# ## 3.1 The login in order
#
# ★ · put in order · about 15 minutes
#
# A client logs in and then asks for its notes, all on one connection. It is made of blocks, and each block is one line:
#
# | block | line |
# |---|---|
# | `"open"` | `ws = await connect(url)` |
# | `"send credentials"` | `await tell(ws, user=user, password=password)` |
# | `"receive session"` | `session = json.loads(await ws.recv())` |
# | `"store token"` | `token = session["token"]` |
# | `"send token+request"` | `await tell(ws, token=token, request="notes")` |
# | `"receive response"` | `response = json.loads(await ws.recv())` |
# | `"send token in URL"` | `ws = await connect(f"{url}/?token={token}")` |
# | `"send the password with each request"` | `await tell(ws, user=user, password=password, request="notes")` |
# | `"wait for HTTP 200"` | `while ws.response.status_code != 200: await asyncio.sleep(0.01)` |
#
# `url`, `user` and `password` are there from the beginning, and `token` is `None` then. `tell` is the helper of the lesson. `await connect(url)`
# opens a connection like `async with`, but does not close it. Whoever asks for notes without a token or a password is answered with
# `{"error": "unauthenticated"}`; a token in an address is accepted as well, as on many a careless server.
#
# The function below returns the blocks, but they are mixed up, and **three of them do not belong there**. Put the lines in order, and delete those
# three.
#
# What the check looks at: it puts your blocks together to a client and runs it. The client must get its notes; the password crosses the wire
# once, the token after it, and no address holds a secret. Every order that does this is right.


# %% answer="3.1"
def auth_flow():
    # BEGIN SOLUTION
    return [
        "open",
        "send credentials",  # the password, once
        "receive session",
        "store token",  # without it the next request would bring nothing
        "send token+request",
        "receive response",
    ]
    # END SOLUTION
    # BEGIN STUB
    # return [
    #     "receive response",
    #     "send the password with each request",
    #     "store token",
    #     "send token in URL",
    #     "open",
    #     "send token+request",
    #     "wait for HTTP 200",
    #     "receive session",
    #     "send credentials",
    # ]
    # END STUB


# %% check="3.1"
check("3.1", auth_flow)

# %% [markdown]
# ## 3.2 The door
#
# ★★ · build · about 20 minutes
#
# Write the doorkeeper of a server: `door(tokens, origins)` returns a function `process_request(connection, request)`, which the library
# calls with each opening request, as in section 3 of the lesson.
#
# - `tokens` is a dictionary: each token, and the user that it belongs to. `origins` is the set of the pages that may connect.
# - `request.path` is the path, `request.headers.get("Origin")` a header, or `None`.
#
# The door decides in this order:
#
# 1. The path is `/healthz`: answer 200. With this a monitor asks whether the server is alive; it has no token.
# 2. There is an `Origin`, and it is not in `origins`: answer 403. Programs send no `Origin`, and that is fine.
# 3. There is no `Authorization: Bearer` with a token out of `tokens`: answer 401, with a header `WWW-Authenticate: Bearer`. The word
#    *Bearer* may be written in upper or lower case (RFC 9110 11.1), the token may not.
# 4. Else put the user into `connection.user`, where the handler finds it, and return `None`: the handshake goes on.
#
# For example, with `tokens = {"k7Q": "ada"}` the header `Authorization: bearer k7Q` makes `connection.user` `"ada"`; `Bearer k7` gets 401.
#
# Compare tokens in constant time, as **bytes** (section 2 of the lesson). No token appears in an answer or in a log.
#
# What the check looks at: what real clients get at your door, with all kinds of headers, and whom the handler behind it sees.


# %% answer="3.2"
def door(tokens, origins):
    def process_request(connection, request):
        # BEGIN SOLUTION
        if request.path == "/healthz":  # 1 a monitor
            return connection.respond(200, "ok\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:  # 2 a foreign page
            return connection.respond(403, "not from this page\n")
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        for token, user in tokens.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), token.encode()):
                connection.user = user  # 4 come in
                return None
        refusal = connection.respond(401, "who are you?\n")  # 3 a stranger
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal
        # END SOLUTION

    return process_request


# %% check="3.2"
check("3.2", door)

# %% [markdown]
# ## 3.3 First message
#
# ★★★ · build · about 40 minutes · *Going further*
#
# Finish the club of section 5, in two functions. A login comes as the **first message**, `{"type": "auth", "token": ...}`, and whoever is in
# stays until the token ends.
#
# `await authenticate(ws, verify, timeout=0.3)` waits for the first message and decides:
#
# - A valid token: it sends `{"type": "welcome", "user": ...}` and returns the session.
# - Anything else (no JSON, no dictionary, another type, a token that is missing, no text or not known): it closes with 4401 and returns `None`.
# - No message within `timeout` seconds: it closes with 4408 and returns `None`.
# - The client leaves: it returns `None`.
#
# `verify(token)` takes a text and returns the session, a dictionary `{"user": ..., "exp": ...}`, or `None` for a token that is not known.
# `verify` may be a plain function or a coroutine function: call it, and await what you get if `inspect.isawaitable(found)`.
#
# `await secured(ws, verify, work, now)` is the handler:
#
# - It calls `authenticate`. For a refused client there is nothing more to do.
# - Else it runs `work(ws, session)`, a coroutine function that may go on for ever and may never look at the connection.
# - When `now()` reaches `session["exp"]`, it stops the work and closes with 4401, also if the client says nothing. `now()` is a clock of its
#   own: `exp` is a time on it, in seconds.
# - When the token is revoked, that is, `verify` returns `None` for it before `exp`, it stops the work and closes with 4403, at the latest one
#   second later. You will want to keep the token: you may put it on the connection, as `ws.token`.
# - When the work is done, `secured` returns, and leaves nothing running.
#
# One meaning everywhere: 4401 a missing, bad or expired token, 4403 a revoked one, 4408 too late. The reason of a close frame never repeats the
# token.
#
# Stop work in two steps: `working = asyncio.create_task(work(ws, session))` starts it as a task, `working.cancel()` ends it where it waits.
# `await asyncio.wait([working], timeout=0.2)` waits until it is done, 0.2 seconds at most; then `working.done()` tells.
#
# What the check looks at: good and bad first messages, silence, tokens that end and that are revoked, and whether the work really stops.


# %% answer="3.3"
# BEGIN SOLUTION
async def authenticate(ws, verify, timeout=0.3):
    try:
        first = await asyncio.wait_for(ws.recv(), timeout)  # 2 read
        ws.token = token_in(first)
        session = await ask(verify, ws.token) if ws.token is not None else None  # 3 decide
        if session is None:
            await ws.close(4401, "who are you?")
        else:
            await ws.send(json.dumps({"type": "welcome", "user": session["user"]}))  # 4 answer
        return session
    except TimeoutError:
        await ws.close(4408, "too late")
    except ConnectionClosed:  # the client has left
        return None


def token_in(first):
    try:
        message = json.loads(first)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("type") != "auth":
        return None
    token = message.get("token")
    return token if isinstance(token, str) else None


async def ask(verify, token):
    found = verify(token)
    return await found if inspect.isawaitable(found) else found


async def secured(ws, verify, work, now):
    session = await authenticate(ws, verify)  # 1 accept
    if session is None:
        return
    working = asyncio.create_task(work(ws, session))
    code, reason = 4401, "token expired"
    try:
        while now() < session["exp"]:
            await asyncio.wait([working], timeout=min(0.2, session["exp"] - now()))
            if working.done():
                return await working
            if await ask(verify, ws.token) is None and now() < session["exp"]:
                code, reason = 4403, "token revoked"
                break
    finally:
        working.cancel()  # 5 clean up
    await ws.close(code, reason)


# END SOLUTION
# BEGIN STUB
# async def authenticate(ws, verify, timeout=0.3):
#     ...


# async def secured(ws, verify, work, now):
#     ...
# END STUB


# %% check="3.3"
check("3.3", authenticate, secured)

# %% [markdown]
# ## 3.4 The error reply
#
# ★★ · build · about 20 minutes · *Going further*
#
# In section 7 of the lesson a bad message got a reply instead of ending the connection, but `3` or `null` still ended it. Write a function
# that has a reply for everything: `await reply_for(raw, routes)` gets a message as it came, a text or `bytes`, and returns a dictionary that
# can be sent as JSON.
#
# A good request looks like `{"id": 7, "type": "double", "body": "ab"}`. `routes` is a dictionary: each type, and the coroutine function that
# does the work. `await routes["double"]("ab")` gives the result, and the reply is `{"id": 7, "ok": True, "body": result}`. A request without
# an `id` is answered with `"id": None`, a route without a `body` gets `None`.
#
# Everything else is answered with `{"id": 7, "ok": False, "error": {"code": ..., "message": ...}}`. The `id` is that of the request as soon
# as it can be read, else `None`. The message is a text of yours; the code is one of five:
#
# | code | when |
# |---|---|
# | `bad_json` | it cannot be read as JSON: half a message, broken bytes, 100,000 brackets (`json.loads` raises `ValueError` or `RecursionError`) |
# | `bad_message` | it is JSON, but not a dictionary, or its `type` is not a text |
# | `unknown_type` | there is no such route |
# | `bad_request` | the route raised `ValueError` |
# | `internal` | the route raised anything else, or `json.dumps` cannot write its result. The message is always the same and tells nothing |
#
# Nothing may leave `reply_for` as an exception, with one exception: `CancelledError`, by which a server ends a task. `except Exception`
# lets it through.
#
# What the check looks at: about forty inputs, some of them nonsense, routes that fail, and whether the function can be cancelled.


# %% answer="3.4"
async def reply_for(raw, routes):
    # BEGIN SOLUTION
    number = None

    def failure(code, message):
        return {"id": number, "ok": False, "error": {"code": code, "message": message}}

    try:
        request = json.loads(raw)
    except (ValueError, RecursionError):
        return failure("bad_json", "this is no JSON")
    if not isinstance(request, dict):
        return failure("bad_message", "a request is an object")
    number = request.get("id")
    kind = request.get("type")
    if not isinstance(kind, str):
        return failure("bad_message", "the type must be a text")
    if kind not in routes:
        return failure("unknown_type", "there is no such type")
    try:
        result = await routes[kind](request.get("body"))
    except ValueError as exc:
        return failure("bad_request", f"this cannot be done: {exc}")
    except Exception:
        return failure("internal", "internal error")
    try:
        json.dumps(result)
    except (TypeError, ValueError, RecursionError):
        return failure("internal", "internal error")
    return {"id": number, "ok": True, "body": result}
    # END SOLUTION


# %% check="3.4"
check("3.4", reply_for)

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 3` in a terminal: your work is kept
# as a backup beside it.
