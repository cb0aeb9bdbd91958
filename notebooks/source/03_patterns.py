# %% [markdown]
# # 3 · Four patterns
#
# About 75 minutes, with two exercises, and two more to go further. You need lessons [0](00_start_here.ipynb) to
# [2](02_request_response.ipynb): a recording, a request and its answer, a push.
#
# **In this lesson you will**
#
# - find three common patterns in real traffic, and a fourth that is missing among them;
# - exchange a password for a token, and see which arrow carries what;
# - refuse a stranger before there is a connection, and learn what a web page can and cannot send;
# - end a connection whose token has run out, and find a token where it should not be;
# - place one and the same error in three places.

# %%
import asyncio
import hmac
import io
import json
import logging
import random
import secrets
import time

from websockets import ConnectionClosed, InvalidStatus, State, broadcast, connect

from wslab import predict, record, reveal, running_servers, seed, serve
from wslab.masking import register_secret

# %% [markdown]
# ## Before you start: three questions from memory
#
# Do not look them up. A client sends requests with the ids 0, 1, 2, … all at once. The server starts a task for each; when all tasks are
# done, its handler returns. The cell below shows how many seconds of work yours are.
#
# 1. Which id comes back first? (lesson 2)
# 2. How many frames does the server send in all? (GET and 101 are no frames.)
# 3. Who sends the first close frame, `"client"` or `"server"`? (lesson 0)

# %%
work = random.Random(seed() + 3).choice([[0.1, 0.15, 0.05], [0.15, 0.05, 0.1, 0.2], [0.2, 0.15, 0.1, 0.05]])
print("seconds of work, by id:", work)
predict(
    "r3", "Which id is first, how many frames from the server, who closes first?", first=..., frames=..., closes=...
)


# %%
async def quiz(ws):
    async def answer(request):
        await asyncio.sleep(request["work"])
        await ws.send(json.dumps({"id": request["id"]}))

    async with asyncio.TaskGroup() as tasks:
        for _ in work:
            tasks.create_task(answer(json.loads(await ws.recv())))


quiz_server = await serve(quiz, name="Quiz server")
with record(quiz_server) as recording:
    async with connect(quiz_server.url) as ws:
        for number, seconds in enumerate(work):
            await ws.send(json.dumps({"id": number, "work": seconds}))
        ids = [json.loads(text)["id"] async for text in ws]
    await recording.settled()
down = [event.kind for event in recording.trace if not event.up]
frames = down.count("text") + down.count("close")
closed_by = next(event.source for event in recording.trace if event.kind == "close")
reveal("r3", recording, first=ids[0], frames=frames, closes="client" if closed_by == "Client" else "server")

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The shortest work is answered first. Each answer is a frame, and the goodbye is one more. A handler that returns ends its connection: here
# the server says goodbye first, and that ended the client's `async for`.
#
# </details>
#
# ## 1 Three patterns
#
# Three common patterns:
#
# ```
# Pattern 1: Request → Process → Response
# ─────────────────────────────────────────
#   Client ──request──▶ Server ──response──▶ Client
#
# Pattern 2: Authentication Flow
# ──────────────────────────────
#   Client ──credentials──▶ Server
#          ◀──token/session──
#
#   Client ──token+request──▶ Server
#          ◀────response────
#
# Pattern 3: Error Handling
# ─────────────────────────
#   Client ──request──▶ Server
#          ◀──error──  (Status: Error Code)
# ```
#
# **What do these pictures promise?** Say it in one sentence for each. And which message of lesson 2 fits into none of the three? Section 8
# answers that.
#
# Pattern 1 you know. Once more, briefly, with two helpers that keep our cells short: `tell` sends its named values as a dictionary, `ask`
# does the same and returns the next message. The server keeps people's notes. Bob asks it for his, and then once more, with another name in
# the message.


# %%
async def tell(ws, **message):
    await ws.send(json.dumps(message))


async def ask(ws, **message):
    await tell(ws, **message)
    return json.loads(await ws.recv())


# %%
notes = {"ada": ["buy tea"], "bob": ["feed the cat"]}


async def trusting(ws):  # 1 accept
    async for text in ws:  # 2 read
        request = json.loads(text)
        body = notes[request["user"]]  # 3 decide
        await tell(ws, id=request["id"], body=body)  # 4 answer
    # 5 clean up: nothing is left to do


trusting_server = await serve(trusting, name="Trusting server")
with record(trusting_server) as trust:
    async with connect(f"{trusting_server.url}/?name=Bob") as ws:
        await ask(ws, id=1, user="bob")
        await ask(ws, id=2, user="ada")
    await trust.settled()
trust

# %% [markdown]
# **Arrows 3 and 4** are pattern 1: request, bar, response. So are **arrows 5 and 6**, and there Bob reads Ada's notes. The server believes
# what a message says about its sender, and anybody can write any message. A server has to *know* who is speaking.
#
# ## 2 Credentials, then a token
#
# That is pattern 2. *Credentials* prove who you are, such as a password. For them you get a *token*, a text that nobody can guess. From
# then on you show the token. It runs out after a while, so a stolen token is soon worth nothing.
#
# First a tool. How does a server compare a secret with what a client sent? Not with `==`, which may stop at the first difference: the time
# that it takes then tells how much of a guess was right. `hmac.compare_digest` is made for this (Python documentation, *hmac*). It has a
# trap:

# %%
try:
    hmac.compare_digest("café", "demo1")
except TypeError as exc:
    print(f"{type(exc).__name__}: {exc}")


def same(one, other):
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


print(same("café", "demo1"), same("demo1", "demo1"))

# %% [markdown]
# A client may send any text, so compare **bytes**. (`surrogatepass` is for broken Unicode, which JSON can carry too.)
#
# Now the accounts, and the *sessions*: what the server remembers of each login, here who it is and until when. `secrets` makes the token;
# `register_secret` tells the kit to show it as stars, in every recording. (Passwords in plain text are for a demonstration only. Real
# servers keep a slow hash of each: Python documentation, `hashlib.scrypt`.)

# %%
accounts = {"ada": "demo1", "bob": "demo2"}
sessions = {}


def log_in(user, password, life_s=8 * 3600):
    if user not in accounts or not same(password, accounts[user]):
        raise PermissionError("wrong name or password")
    token = secrets.token_urlsafe(12)
    register_secret(token)
    sessions[token] = {"user": user, "exp": time.time() + life_s}
    return token


def session_of(token):
    for known, session in sessions.items():
        if same(known, token) and time.time() < session["exp"]:
            return session
    raise PermissionError("no such token")


# %% [markdown]
# A server with a front desk. Its client says first either *here are my credentials* (`login`) or *here is my token* (`auth`), and only then
# comes the work. Whoever has neither is sent away with close code 4401. The numbers 4000 to 4999 are free for our own use (RFC 6455 7.4.2);
# this one means *I do not know who you are*. Ada logs in on one connection. On a second one she shows her token and asks twice.


# %%
async def desk(ws):  # 1 accept: nobody knows yet who this is
    first = json.loads(await ws.recv())  # 2 read
    try:
        if first["type"] == "login":  # 3 decide
            await tell(ws, type="session", token=log_in(first["user"], first["password"]))  # 4 answer
        else:
            user = session_of(first["token"])["user"]
            await tell(ws, type="welcome", user=user)
            await serve_notes(ws, user)
    except PermissionError:
        await ws.close(4401, "who are you?")
    # 5 clean up: when the handler returns, the library closes the connection


async def serve_notes(ws, user):
    async for text in ws:
        await tell(ws, id=json.loads(text)["id"], body=notes[user])


desk_server = await serve(desk, name="Desk")

# %%
with record(desk_server) as login:
    async with connect(desk_server.url) as ws:
        token = (await ask(ws, type="login", user="ada", password="demo1"))["token"]
        await ws.wait_closed()
    await login.settled()
    async with connect(desk_server.url) as ws:
        await ask(ws, type="auth", token=token)
        await ask(ws, id=1)
        await ask(ws, id=2)
    await login.settled()
login

# %% [markdown]
# **Arrow 3** is *credentials*, **arrow 4** *token/session*; then **arrow 10** brings the token, and a request follows. The stars in 4 and
# 10 stand for the same text. On the wire there are no stars: a real line needs `wss://`, which encrypts everything (RFC 6455 10.6).
#
# What is in the recording that is not in the diagram? There, *token+request* is one arrow. Here the token has an arrow of its own, once for
# each connection. Whoever lost a connection comes back in the same way: a new connection, the old token, no password. This is called *to
# resume*.
#
# **Find the proof.** The server remembers who this *connection* is: Ada asks for her notes with neither name nor token, and gets them.
# Which arrow is her first such request?

# %%
predict("e3.1", "Which arrow asks for the notes first, with neither name nor token?", arrow=...)

# %%
requests = [row.number for row in login.rows if row.event.up and row.event.text.startswith('{"id"')]
reveal("e3.1", arrow=requests[0])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what it means</summary>
#
# **Arrow 12** holds an id and nothing else, and **arrow 13** is Ada's note. What arrow 10 has shown holds for everything that follows on
# this connection. That is short, and it has a price: section 5.
#
# </details>
#
# **Your turn.** Exercise [3.1 The login in order](../exercises/03_patterns.ipynb) uses this section. Do it now, or read on and come back.

# %% [markdown]
# ## 3 At the door
#
# The desk lets a stranger in and asks then. A server can also look at the token **before** there is a connection: the opening handshake is
# an HTTP request, and HTTP has a header for tokens, `Authorization: Bearer …` (RFC 6750 2.1).
#
# `process_request` is a function that the library calls with each opening request. If it returns `None`, the handshake goes on. If it
# returns an HTTP answer, that is the end. A 401 must say what it wants, in a header `WWW-Authenticate` (RFC 9110 15.5.2). On the other
# side, `additional_headers` puts Ada's token into the request.


# %%
def door(connection, request):
    shown = request.headers.get("Authorization", "")
    try:
        connection.user = session_of(shown.removeprefix("Bearer "))["user"]  # the handler finds it there
    except PermissionError:
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal


async def inside(ws):
    await serve_notes(ws, ws.user)


door_server = await serve(inside, name="Door", process_request=door)
with_token = {"Authorization": f"Bearer {token}"}
with record(door_server) as admitted:
    async with connect(door_server.url, additional_headers=with_token) as ws:
        await ask(ws, id=1)
    await admitted.settled()
admitted.display()
admitted.bytes(1)

# %% [markdown]
# **Arrow 2** is 101: she is in, and **arrow 3** is her first request. The token came with arrow 1, whose bytes are the second picture. The
# kit knows this header and hides its value by itself.
#
# Now a stranger without a token, at two servers. One refuses **before**: `door`, with 401. The other refuses **after**: it accepts, and at
# once calls `ws.close(4401)`. The stranger's program has two lines, `connect` and then `recv`.
#
# **Predict** for each server: which line raises an exception, `"connect"` or `"recv"`, and which number does it carry?

# %%
predict(
    "p3.1",
    "Refused before or after the handshake: which line raises, with which number?",
    before_line=...,
    before_number=...,
    after_line=...,
    after_number=...,
)


# %%
async def late(ws):
    await ws.close(4401, "who are you?")


late_server = await serve(late, name="Late server")


async def visit(url):
    line = "connect"
    try:
        async with connect(url) as ws:
            line = "recv"
            await ws.recv()
    except InvalidStatus as exc:
        return line, exc.response.status_code
    except ConnectionClosed as exc:
        return line, exc.rcvd.code


with record(door_server) as refused:
    line, number = await visit(door_server.url)
    await refused.settled()
reveal("p3.1", refused, before_line=line, before_number=number)

# %%
with record(late_server) as dismissed:
    line, number = await visit(late_server.url)
    await dismissed.settled()
reveal("p3.1", dismissed, after_line=line, after_number=number)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# *Before*: **arrow 2** is an HTTP answer instead of the 101. There never was a WebSocket, so there is no frame, no close code, and the
# handler never ran; `connect` raises `InvalidStatus`. *After*: **arrow 2** is a 101, and `connect` succeeds. The refusal is **arrow 3**, a
# close frame with its code; `recv` raises `ConnectionClosedError`.
#
# But JavaScript in a page may not learn the status: refused *before*, it sees close code 1006, whatever went wrong (WHATWG, *WebSockets
# Standard*, "Feedback from the protocol"). A 4401 *after* the 101 it can read.
#
# </details>
#
# ## 4 What a browser can send
#
# Five clients have a token and want to pass the door:
#
# | | client |
# |---|---|
# | a | a program in Python: `connect(url, additional_headers=…)` |
# | b | JavaScript in a web page: `new WebSocket(url)` |
# | c | in a terminal, the command `websockets URL` |
# | d | in a terminal, the command `curl` |
# | e | another server, with the Python library `aiohttp` |
#
# **Predict**: which of them can put `Authorization: Bearer …` into the request? The letters in alphabetical order, such as `["b", "d"]`.
# Two of them then visit the door: *Program* is (a), and *Page* sends what (b) can send.

# %%
predict("p3.3", "Which of the five clients can set the header?", can=...)

# %%
with record(door_server) as visitors:
    await visit(f"{door_server.url}/?name=Page")
    await visitors.settled()
    async with connect(f"{door_server.url}/?name=Program", additional_headers=with_token) as ws:
        await ask(ws, id=1)
    await visitors.settled()
reveal("p3.3", visitors, can=["a", "d", "e"])

# %% [markdown]
# <details><summary><b>After your prediction:</b> who can, and who cannot</summary>
#
# (a) passes in **arrow 5**. (d) and (e) have an option for it (curl manual, `--header`; aiohttp documentation, `ws_connect`, `headers`).
# (c) has none, as `websockets --help` shows. Nor has (b): `new WebSocket` takes an address and subprotocols (WHATWG, *WebSockets
# Standard*), so **arrow 2** is a 401. What is left to a page:
#
# | way | who puts it there | mind |
# |---|---|---|
# | cookie | the browser, by itself | sent whichever page asks: see below |
# | `Origin` | the browser, by itself | says which page it is, not which user |
# | address, `?token=…` | the page | gets into logs: section 6 |
# | subprotocol | the page | is for agreeing on a format (RFC 6455 1.9) |
# | first message | the page | the server has to wait for it: section 5 |
#
# </details>
#
# Cookies look easy. Here is a door that relies on them alone, and the function `page`, which sends what a browser would send for a page of
# `origin` when Ada is logged in. She uses her notes in one tab, at `notes.example`. In another tab she has opened a page of `evil.example`,
# whose JavaScript connects to the notes too.


# %%
def cookie_door(connection, request):
    shown = request.headers.get("Cookie", "")
    try:
        connection.user = session_of(shown.removeprefix("session="))["user"]
    except PermissionError:
        return connection.respond(401, "who are you?\n")


def page(server, name, origin):
    return connect(f"{server.url}/?name={name}", origin=origin, additional_headers={"Cookie": f"session={token}"})


cookie_server = await serve(inside, name="Cookie server", process_request=cookie_door, origins=None)
with record(cookie_server) as hijacked:
    async with page(cookie_server, "EvilPage", "https://evil.example") as ws:
        await ask(ws, id=1)
    await hijacked.settled()
hijacked

# %% [markdown]
# **Arrow 4**: a foreign page reads Ada's notes. Her cookie belongs to the *server*, so the browser sends it whichever page asks, unless the
# cookie itself forbids that (MDN, *Set-Cookie*, `SameSite`). But the browser also sends `Origin`, which says where the page comes from, and
# a server has to look at it (RFC 6455 10.2). The repair is one argument: `origins=`, the origins that may connect.

# %%
strict_server = await serve(
    inside, name="Strict server", process_request=cookie_door, origins=["https://notes.example"]
)
with record(strict_server) as origins:
    try:
        async with page(strict_server, "EvilPage", "https://evil.example") as ws:
            await ask(ws, id=1)
    except InvalidStatus as exc:
        print(f"{type(exc).__name__}: {exc}")
    await origins.settled()
    async with page(strict_server, "NotesPage", "https://notes.example") as ws:
        await ask(ws, id=1)
    await origins.settled()
origins

# %% [markdown]
# **Arrow 2** is a 403, **arrow 5** a 101, and both came with the same cookie. 401 means *I do not know who you are*; 403 means *I have
# understood, and no* (RFC 9110 15.5.2, 15.5.4).
#
# This protects Ada from foreign pages. It does not protect the server from programs: they write whatever Origin they like, as our function
# `page` does.
#
# **Your turn.** In exercise [3.2 The door](../exercises/03_patterns.ipynb) you build a door that looks at both, token and `Origin`.

# %% [markdown]
# ## 5 When the token runs out
#
# A first message works from everywhere, pages included. The desk does it: `auth`, `welcome`, work. It looks at the token once, at the
# beginning.
#
# **Predict.** Ada's token runs out while her connection is open and nobody speaks. What happens by itself: `"nothing"`, `"close"` or
# `"error"`? Then she sends a request. Is it answered, `"yes"` or `"no"`?

# %%
predict(
    "p3.2", "The token runs out: what happens by itself? Is the next request answered?", by_itself=..., answered=...
)

# %%
with record(desk_server) as stale:
    async with connect(desk_server.url) as ws:
        short_lived = log_in("ada", "demo1")
        await ask(ws, type="auth", token=short_lived)
        await stale.settled()
        sessions[short_lived]["exp"] = time.time()  # now it runs out
        await asyncio.sleep(0.1)
        by_itself = "nothing" if ws.state is State.OPEN else "close"
        answer = await ask(ws, id=1)
    await stale.settled()
reveal("p3.2", stale, by_itself=by_itself, answered="yes" if "body" in answer else "no")

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# Nothing. Below the dotted line the token is worthless, and **arrows 5 and 6** are a request and its answer as before. Its date stands in
# `sessions`, and nobody looks there any more.
#
# </details>
#
# **The repair.** Who lets somebody in must also set the alarm. `asyncio.timeout` ends the block under it after so many seconds with a
# `TimeoutError`, also while that block waits for a message. We try it with a token that lives 0.3 seconds: Ada works a little, and is
# silent then.


# %%
async def club(ws):  # 1 accept: nobody knows yet who this is
    first = json.loads(await ws.recv())  # 2 read
    try:
        session = session_of(first["token"])  # 3 decide
        await tell(ws, type="welcome", user=session["user"])  # 4 answer
        async with asyncio.timeout(session["exp"] - time.time()):
            await serve_notes(ws, session["user"])
    except PermissionError:
        await ws.close(4401, "who are you?")  # 5 clean up
    except TimeoutError:
        await ws.close(4401, "token expired")


club_server = await serve(club, name="Club")

# %%
with record(club_server) as ended:
    async with connect(club_server.url) as ws:
        await ask(ws, type="auth", token=log_in("ada", "demo1", life_s=0.3))
        await ask(ws, id=1)
        try:
            await ws.recv()
        except ConnectionClosed as exc:
            print(f"{type(exc).__name__}: {exc}")
    await ended.settled()
ended

# %% [markdown]
# **Arrow 7** comes from the server although the client said nothing: the close frame, with 4401 and a reason. Arrow 8 is the answer that a
# close frame must get (RFC 6455 5.5.1); the client's library sends it. The client's program waited in `recv()` and now knows why it ended:
# it logs in again and comes back with a new token.
#
# What is still missing in `club`: a client that never sends a first message stays for ever. Exercise [3.3 First
# message](../exercises/03_patterns.ipynb) deals with that, and with first messages that are nonsense.

# %% [markdown]
# ## 6 Where a token must not be
#
# In recordings the kit hides the secrets that it knows. A log hides nothing by itself. This server lets the library log at its most
# talkative level, DEBUG. A client brings one token in three ways: in the address, in the header, in the first message. **Question.** Which
# of the three does the log keep to itself?

# %%
log = io.StringIO()
logger = logging.Logger("talkative", logging.DEBUG)
logger.addHandler(logging.StreamHandler(log))
talkative = await serve(desk, name="Talkative server", logger=logger)
sessions["demo-token"] = {"user": "ada", "exp": time.time() + 5}
in_header = {"Authorization": "Bearer demo-token"}
with record(talkative) as leak:
    async with connect(f"{talkative.url}/?token=demo-token", additional_headers=in_header) as ws:
        await ask(ws, type="auth", token="demo-token")
    await leak.settled()
print(*[line for line in log.getvalue().splitlines() if "demo-token" in line], sep="\n")
leak

# %% [markdown]
# None of them. A log at level DEBUG holds what people send, so it is for your own desk. The address is worse: browsers keep it in their
# history, web servers in their everyday logs (RFC 6750 5.3).
#
# And the recording? In **arrow 1** the kit hides what follows `token=`. In **arrow 3** the token can be read: in a message only you know
# what is a secret, and nobody registered this one.
#
# ## 7 An error has three places
#
# Pattern 3 says that an error comes back with a code. What comes back if nobody wrote a line for it? Bob sends half a message to the first
# server of this lesson.

# %%
with record(trusting_server) as broken:
    async with connect(f"{trusting_server.url}/?name=Bob") as ws:
        await ws.send('{"id": 1, "user": "bo')
        try:
            await ws.recv()
        except ConnectionClosed as exc:
            print(f"{type(exc).__name__}: {exc}")
    await broken.settled()
broken

# %% [markdown]
# `json.loads` raised an exception, the handler ended, and the whole connection with it: **arrow 4**, close code 1011, *something
# unexpected* (RFC 6455 7.4.1), without a reason. What it was stands in the server's log only (**arrow 6**). One bad message, and everything
# else that this client was doing is gone.
#
# **The repair**: an error is an answer like any other.


# %%
async def within(ws):  # 1 accept: suppose a door has found out that this is Bob
    async for text in ws:  # 2 read
        number = None
        try:
            request = json.loads(text)
            number = request["id"]
            reply = {"body": read_notes("bob", request["user"])}  # 3 decide
        except ValueError:
            reply = {"error": "bad_json"}
        except PermissionError:
            reply = {"error": "forbidden"}
        await tell(ws, id=number, **reply)  # 4 answer
    # 5 clean up: nothing is left to do


def read_notes(reader, owner):
    if reader != owner:
        raise PermissionError
    return notes[owner]


within_server = await serve(within, name="Within")

# %%
with record(within_server) as repaired:
    async with connect(f"{within_server.url}/?name=Bob") as ws:
        await ws.send('{"id": 1, "user": "bo')
        await ws.recv()
        await ask(ws, id=2, user="bob")
    await repaired.settled()
repaired

# %% [markdown]
# **Arrow 4** is pattern 3: an error and its code, in a message. The code is a word of ours; the id is lost, because it was in the half
# message. **Arrows 5 and 6** show that the connection goes on. (Other nonsense still ends it, such as `3`, which is JSON but no dictionary.
# Exercise [3.4 The error reply](../exercises/03_patterns.ipynb) stops that too.)
#
# Now **one failure in three places**. Bob asks for Ada's notes, which he may not read, and then for his own. Suppose that three servers
# know who he is. They refuse the first request in three ways:
#
# - *before*: `process_request` answers 403;
# - *within*: the server above answers with the error `forbidden`;
# - *at the end*: the handler closes with 4403, our own number for *not allowed, or no longer*.
#
# The client is the same each time. It keeps what it gets, up to the first exception. **Predict** for each server: does Bob get his own notes
# on this connection, `"yes"` or `"no"`? (Above each picture stands what the first question brought.)

# %%
predict(
    "e3.3", "Refused in one of three places: does Bob get his own notes then?", before=..., within=..., at_the_end=...
)


# %%
def refuse(connection, request):
    return connection.respond(403, "not your notes\n")


async def at_the_end(ws):
    async for text in ws:
        request = json.loads(text)
        if request["user"] != "bob":
            await ws.close(4403, "not your notes")
            return
        await tell(ws, id=request["id"], body=notes["bob"])


before_server = await serve(within, name="Before", process_request=refuse)
end_server = await serve(at_the_end, name="At the end")


# %%
async def ask_both(server):
    seen = []
    try:
        async with connect(f"{server.url}/?name=Bob") as ws:
            for number, user in enumerate(["ada", "bob"], 1):
                seen.append(await ask(ws, id=number, user=user))
    except (InvalidStatus, ConnectionClosed) as exc:
        seen.append(f"{type(exc).__name__}: {exc}")
    print("Ada's notes:", seen[0])
    return "yes" if "body" in seen[-1] else "no"


with record(before_server) as place_1:
    outcome = await ask_both(before_server)
    await place_1.settled()
reveal("e3.3", place_1, before=outcome)

# %%
with record(within_server) as place_2:
    outcome = await ask_both(within_server)
    await place_2.settled()
reveal("e3.3", place_2, within=outcome)

# %%
with record(end_server) as place_3:
    outcome = await ask_both(end_server)
    await place_3.settled()
reveal("e3.3", place_3, at_the_end=outcome)

# %% [markdown]
# <details><summary><b>After your prediction:</b> which place for which error</summary>
#
# | place | in the picture | the client meets it in | the connection |
# |---|---|---|---|
# | before | HTTP status, **arrow 2** | `connect`: `InvalidStatus` | never was |
# | within | a message, **arrow 4** | that message, no exception | goes on |
# | at the end | close code, **arrow 4** | `recv`: `ConnectionClosedError` | is over |
#
# What is wrong with one *request* belongs within. What is wrong with the whole *connection* (nobody knows you, your time is over) belongs
# before, if it is known by then, else at the end, with a code that says why.
#
# </details>
#
# ## 8 The fourth pattern
#
# In the three pictures it is always the client who begins. In lesson 2 there was a message that nobody had asked for. In the same style:
#
# ```
# Pattern 4: Push
# ─────────────────────────
#   Client ◀──event── Server
# ```
#
# Ada has her notes on two devices. What she adds on one appears on the other.

# %%
devices = set()


async def shared(ws):
    devices.add(ws)  # 1 accept
    try:
        async for text in ws:  # 2 read
            request = json.loads(text)
            broadcast(devices - {ws}, json.dumps({"type": "added", "note": request["add"]}))  # 3 decide
            await tell(ws, id=request["id"], added=True)  # 4 answer
    finally:
        devices.discard(ws)  # 5 clean up


shared_server = await serve(shared, name="Shared notes")
laptop_url, phone_url = f"{shared_server.url}/?name=Laptop", f"{shared_server.url}/?name=Phone"
with record(shared_server) as push:
    async with connect(laptop_url) as laptop, connect(phone_url) as phone:
        await push.settled()
        await ask(phone, id=1, add="buy jam")
        await laptop.recv()
        await push.settled()
    await push.settled()
push

# %% [markdown]
# **Arrow 6** is the push. The laptop has sent nothing but its GET, and still a message arrives there. (Arrows marked ┊ could have happened
# in any order: they are on two connections.)
#
# So the three patterns are true, and they show what a *client* begins. Over a WebSocket the server may begin too (RFC 6455 1.2).
#
# ## The diagram from memory
#
# Without scrolling up: Ada's visit to the *Club* in section 5, from opening to end. She shows her token, asks once, and is silent until the
# token runs out. One text for each arrow, such as `"Client -> Club: GET"`. For a frame its kind is enough, `TEXT` or `CLOSE`; the last one
# is `TCP end`.

# %%
predict("m3", "All arrows of Ada's visit to the club, from memory.", arrows=...)

# %%
reveal("m3", ended)

# %% [markdown]
# ## Exercises
#
# [Exercises 3](../exercises/03_patterns.ipynb): **3.1 The login in order** (★, 15 minutes) and **3.2 The door** (★★, 20 minutes). *Going
# further*, when you like: **3.3 First message** (★★★, 40 minutes), the handler that section 5 leaves unfinished, and **3.4 The error
# reply** (★★, 20 minutes), for every kind of nonsense.
#
# ## You have now seen
#
# - three common patterns in real traffic, and push, the fourth, in which the server begins;
# - a password exchanged for a token, and the token shown once on the next connection, for all its requests;
# - a stranger refused with 401 before there was a connection, the header that a web page cannot send, and a foreign page refused by its `Origin`;
# - a token that ran out unnoticed, until the server set an alarm and closed with 4401; and a token in a log, three times;
# - one error in three places: a status before, a message within, a close code at the end.
#
# ## Further reading
#
# - RFC 6455, section 7.4 (close codes), 10.1 and 10.2 (programs, and `Origin`), 10.5 and 10.6 (authentication, encryption);
# - RFC 9110, section 11.6 (`WWW-Authenticate` and `Authorization`); RFC 6750 (bearer tokens);
# - websockets documentation: *Authentication*, *Logging*, *Exceptions*;
# - Python documentation: `hmac.compare_digest`, `secrets`, *Coroutines and Tasks* (section *Timeouts*).
#
# **Next:** the exercises, then lesson 4: one server, and three of them.
#
# The last cell of each lesson stops its servers.

# %%
for running in running_servers():
    await running.stop()
assert running_servers() == []
