# %% [markdown]
# # 1 · Client, server, database
#
# About 45 minutes, with three exercises. You need [lesson 0](00_start_here.ipynb): `await`, a task, `async for`, a recording.
#
# **In this lesson you will**
#
# - see the overview of client, server and database drawn by real traffic;
# - find in a recording what is handshake, what is message and what is close;
# - meet the message that the overview does not show, and the two mistakes that most beginners make in a handler;
# - compare WebSocket with three other ways to hear news, and say when it is *not* the choice.

# %%
import asyncio
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import aiohttp
from aiohttp import web
from websockets import broadcast, connect

from wslab import predict, record, reveal, running_servers, seed, serve, serve_app
from wslab.pictures.charts import bars, table
from wslab.sources import watch_sql

# %% [markdown]
# ## 1 The picture of the whole
#
# ```
# ┌──────────────────────────────────────────────────────┐
# │                                                      │
# │               WebSockets Architecture                │
# │                                                      │
# │  ┌──────────┐        ┌──────────┐       ┌──────────┐ │
# │  │  Client  │───────▶│  Server  │◀──────│ Database │ │
# │  └──────────┘        └──────────┘       └──────────┘ │
# │                                                      │
# └──────────────────────────────────────────────────────┘
# ```
#
# - **Client:** initiates requests.
# - **Server:** processes requests and returns responses.
# - **Database:** stores persistent data.
#
# **What does this picture promise?** Say it in one sentence: who starts, who answers, and what does the line between client and server
# stand for: one question, or more?
#
# Here are the three, for real. The database is SQLite, in a file. `ask` opens it, runs one statement and closes it again; `watch_sql` lets
# the kit record the statements that really ran.

# %%
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "notes.db"


def ask(statement, *values):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return watch_sql(database).execute(statement, values).fetchall()


for statement in "PRAGMA journal_mode = WAL", "CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT)":
    ask(statement)

# %% [markdown]
# The server keeps notes. A client sends `save milk two bottles` or `load milk`. The five comments name the five jobs of every handler in this
# course. `asyncio.to_thread(ask, ...)` runs `ask(...)` on a thread, so that the loop can serve others while the database works. (`*value`
# is a list of the words that are left: `["two bottles"]`, or `[]` where nothing follows the key.)


# %%
async def notes(ws):  # 1 accept: the handler starts, once for this connection
    async for message in ws:  # 2 read
        command, key, *value = message.split(" ", 2)  # 3 decide
        if command == "save":
            await asyncio.to_thread(ask, "INSERT OR REPLACE INTO notes VALUES (?, ?)", key, *value)
            await ws.send("saved")  # 4 answer
        else:
            rows = await asyncio.to_thread(ask, "SELECT value FROM notes WHERE key = ?", key)
            await ws.send(rows[0][0])  # 4 answer
    # 5 clean up: here nothing is left to do


server = await serve(notes)

# %% [markdown]
# A client saves two notes and loads one of them.

# %%
with record(server) as recording:
    async with connect(server.url) as ws:
        for message in ("save milk two bottles", "save bread one loaf", "load milk"):
            await ws.send(message)
            await ws.recv()
    await recording.settled()
recording.map()

# %% [markdown]
# The overview, drawn from what has just crossed. Each line now says what it stood for. The line between client and server is **one connection**, and on it
# went several messages, in both directions. The line to the database is not a connection of the client at all: the server asked, and the database
# answered the *server*.
#
# The same recording with time running down:

# %%
recording

# %% [markdown]
# Read it from the top:
#
# - **1 and 2** are the *opening handshake*: the client asks over HTTP for a WebSocket, and the server agrees with `101 Switching Protocols`. It happens
#   once.
# - **3 to 11** are three *messages* with their answers and, between message and answer, the SQL statement that the message caused.
# - The two `CLOSE` arrows are the *closing handshake*, one in each direction, and then TCP ends.
#
# So the one arrow `Client ───▶ Server` of the overview is this whole strip: a connection with a beginning, a middle and an end.
#
# **How many handshakes** does it take to send 20 messages, and how many close frames to end? Predict it.

# %%
predict(
    "p1.3",
    "20 messages, each answered: how many opening handshakes, how many close frames?",
    handshakes=...,
    closes=...,
)

# %%
with record(server) as twenty:
    async with connect(server.url) as ws:
        for number in range(20):
            await ws.send(f"save n{number} {number}")
            await ws.recv()
    await twenty.settled()
kinds = [event.kind for event in twenty.trace]
reveal("p1.3", twenty.map(), handshakes=kinds.count("request"), closes=kinds.count("close"))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# One handshake, however many messages, and two close frames: one each way. People who know HTTP expect a new request with headers
# for each message. Here the headers are paid for once.
#
# </details>

# %% [markdown]
# ## 2 What the headers cost
#
# An echo server, and one short message. How many bytes are the handshake, and how many the message? (In the recording the handshake is
# arrows 1 and 2, the message is arrow 3, its echo arrow 4.)


# %%
async def echo(ws):
    async for message in ws:
        await ws.send(message)


echo_server = await serve(echo, name="Echo server")
with record(echo_server) as hello:
    async with connect(echo_server.url) as ws:
        await ws.send("hello")
        await ws.recv()
    await hello.settled()
sizes = {"handshake, GET": 1, "handshake, 101": 2, "message up": 3, "message down": 4}
sizes = {name: hello.arrow(number).wire_bytes for name, number in sizes.items()}
print("message up:", sizes["message up"], "bytes, message down:", sizes["message down"], "bytes")
bars(sizes, title="The handshake is paid for once, a message costs almost nothing", unit="bytes")

# %% [markdown]
# `hello` has 5 bytes. On its way down the frame adds 2 bytes, on its way up 6: the same 2, and a 4-byte key (why, is for lesson 5). The handshake
# has some hundred bytes; how many exactly depends on names and versions in its headers, so they stand in the picture only.

# %% [markdown]
# ## 3 What the overview does not show
#
# Now with **two** clients. When one saves a note, the server tells everybody who is connected. `broadcast` sends one message to many
# connections; it is a plain function, without `await`. What stands under `finally` is done however the handler ends: nobody who has left
# stays in the set.

# %%
connected = set()


async def shared_notes(ws):
    connected.add(ws)  # 1 accept
    try:
        async for message in ws:  # 2 read
            _, key, value = message.split(" ", 2)  # 3 decide
            await asyncio.to_thread(ask, "INSERT OR REPLACE INTO notes VALUES (?, ?)", key, value)
            broadcast(connected, f"{key} is now {value}")  # 4 answer
    finally:
        connected.discard(ws)  # 5 clean up


shared = await serve(shared_notes)

# %% [markdown]
# Ada saves a note. Bob says nothing at all. (The `?name=` in an address names the client's line in the picture.)

# %%
with record(shared) as push:
    async with connect(f"{shared.url}/?name=Ada") as ada, connect(f"{shared.url}/?name=Bob") as bob:
        await push.settled()
        await ada.send("save milk three bottles")
        print("Ada received:", await ada.recv())
        print("Bob received:", await bob.recv())
        await push.settled()
    await push.settled()

# %% [markdown]
# **Find the arrow.** One of the arrows of this recording has no place in the overview: nobody asked for it. Which number does it have?
# (Make a guess first: what do you expect on the lines of Ada, the server, the database and Bob? Then run the reveal and correct
# yourself.)

# %%
predict("e1.2", "Ada saves, Bob only listens. Which arrow answers no request of its receiver?", arrow=...)

# %%
pushed = [row.number for row in push.rows if row.event.kind == "text" and row.event.target == "Bob"]
reveal("e1.2", push, arrow=pushed[0])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The arrow from the server to Bob is a **push**: a message that answers nothing. With HTTP alone a server could not do that; it may
# only answer. This is the reason to use WebSocket.
#
# And look who causes it. Not the database: its arrow is the server's statement. The database does not call anybody when its data
# change. Something has to *tell* the server: here Ada's message did.
#
# </details>

# %% [markdown]
# ## 4 Two mistakes that everybody makes once
#
# **The first.** This handler answers, and then it is done.


# %%
async def answer_once(ws):
    message = await ws.recv()
    await ws.send(f"you said {message}")


once = await serve(answer_once, name="Once")

# %% [markdown]
# A client sends a message and reads the answer. Then it sends a second message and reads again. **Predict** what it gets the second time:
# `"answer"`, `"nothing"` (it waits for ever) or `"exception"`.

# %%
predict("p1.1", "The handler has returned. What does the second recv() give: answer, nothing or exception?", second=...)

# %%
with record(once) as returned:
    async with connect(once.url) as ws:
        await ws.send("one")
        await ws.recv()
        await returned.settled()
        try:
            await ws.send("two")
            await asyncio.wait_for(ws.recv(), 0.3)
            second = "answer"
        except TimeoutError:
            second = "nothing"
        except Exception as exc:
            second = "exception"
            said = f"{type(exc).__name__}: {exc}"
    await returned.settled()
reveal("p1.1", returned, second=second)

# %% [markdown]
# What the exception said, and with it the rule:

# %%
print(said)

# %% [markdown]
# A handler serves a **connection**, not a message. It runs once; when it returns, the library closes the connection with 1000, "normal". The
# cure is the loop that you know: `async for message in ws`.
#
# **The second.** Each message to this handler takes a little time. Most of it is waited for with `await asyncio.sleep`. But for `work` somebody
# wrote `time.sleep`.


# %%
async def sleepy(ws):
    async for message in ws:
        await asyncio.sleep(0.05)
        if message == "work":
            time.sleep(0.3)
        else:
            await asyncio.sleep(0.05)
        await ws.send("done")


sleeping = await serve(sleepy, name="Sleepy server")

# %% [markdown]
# Ada asks for the work. At the same moment Bob, on a connection of his own, asks for something else, which takes 0.1 seconds. **Predict** after
# how many seconds *Bob* has his answer.

# %%
predict("p1.2", "Ada's request sleeps 0.3 s, Bob's takes 0.1 s. When does Bob have his answer?", bob_seconds=...)

# %%
with record(sleeping) as blocked:
    async with connect(f"{sleeping.url}/?name=Ada") as ada, connect(f"{sleeping.url}/?name=Bob") as bob:
        await blocked.settled()
        began = time.perf_counter()
        await ada.send("work")
        await bob.send("something else")
        await bob.recv()
        bob_seconds = time.perf_counter() - began
        await ada.recv()
        await blocked.settled()
    await blocked.settled()
reveal("p1.2", blocked.observed(), bob_seconds=bob_seconds)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# Bob waits until Ada's work is done. All handlers of a server take turns on **one** loop, and `time.sleep` does not give its turn away. `await
# asyncio.sleep(0.3)` does; for a computation, or a library that blocks, there is `await asyncio.to_thread(...)`, as in `notes` above.
#
# </details>
#
# **Your turn.** Exercises [1.1 One life in order, 1.2 A handler with a memory and 1.3 Four bugs, one handler](../exercises/01_overview.ipynb) use
# sections 1 to 4. Do them now, or read on and come back.

# %% [markdown]
# ## 5 Four ways to hear the news
#
# Push is older than WebSocket. HTTP has three ways to imitate it or to do it. Here all four get the same news, three pieces, and you see what each
# way costs. The news: `publish` adds a piece, `async for text in after(number)` waits for the
# pieces from that number on. (How the two do it is of no importance here.)

# %%
news = []
more = asyncio.Condition()


async def publish(text):
    async with more:
        news.append(text)
        more.notify_all()


async def after(number):
    while True:
        async with more:
            while len(news) <= number:
                await more.wait()
        yield news[number]
        number += 1


# %% [markdown]
# Three of the ways are plain HTTP; `aiohttp` serves them. Each of these functions runs once for each *request*.


# %%
async def poll(request):  # what is there now?
    number = int(request.query["after"])
    return web.json_response(news[number:])


async def long_poll(request):  # wait until there is something
    async for text in after(int(request.query["after"])):
        return web.json_response([text])


async def events(request):  # one response that does not end
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    async for text in after(0):
        await response.write(f"data: {text}\n\n".encode())


app = web.Application()
app.add_routes([web.get("/poll", poll), web.get("/long-poll", long_poll), web.get("/events", events)])
site = await serve_app(app, name="News")

# %% [markdown]
# **Polling:** the client asks, again and again. It does not know when there is something, so most of the time it asks for nothing.

# %%
with record(site) as polling:
    async with aiohttp.ClientSession() as http:
        seen = 0
        for turn in range(9):
            if turn in (2, 5, 8):
                await publish(f"news {len(news)}")
            async with http.get(f"{site.url}/poll?after={seen}") as response:
                seen += len(await response.json())
    await polling.settled()
polling

# %% [markdown]
# Nine requests for three pieces of news; six of the answers are empty lists. Ask less often, and the news is old when it comes.
#
# **Long-polling:** the client asks, and the server does not answer until it has something to say. Then the client asks again.

# %%
news.clear()
with record(site) as long_polling:
    async with aiohttp.ClientSession() as http:
        for number in range(3):
            asking = asyncio.create_task(http.get(f"{site.url}/long-poll?after={number}"))
            await long_polling.settled()
            await publish(f"news {number}")
            response = await asking
            await response.json()
    await long_polling.settled()
long_polling

# %% [markdown]
# Each request waits (the dotted line is the moment before the news) and is answered at once when there is something. No request is wasted, but each
# piece of news costs one, with all its headers.
#
# **Server-sent events:** one request, and a response that does not end.

# %%
news.clear()
with record(site) as sent_events:
    async with aiohttp.ClientSession() as http, http.get(f"{site.url}/events") as response:
        for number in range(3):
            await publish(f"news {number}")
            await response.content.readuntil(b"\n\n")
            await sent_events.settled()
    await sent_events.settled()
sent_events

# %% [markdown]
# Every piece of news is an arrow of its own in one long response. The client said nothing after its request, and with server-sent events it never can.
#
# **WebSocket:** the same handler in our usual form.


# %%
async def feed(ws):
    async for text in after(0):
        await ws.send(text)


feed_server = await serve(feed, name="News")
news.clear()
with record(feed_server) as websocket:
    async with connect(feed_server.url) as ws:
        for number in range(3):
            await publish(f"news {number}")
            await ws.recv()
            await websocket.settled()
    await websocket.settled()
websocket

# %% [markdown]
# All four beside each other, counted in the recordings:

# %%
ways = {"polling": polling, "long-polling": long_polling, "server-sent events": sent_events, "WebSocket": websocket}
rows = []
for name, way in ways.items():
    kinds = [event.kind for event in way.trace]
    requests = kinds.count("request")
    empty = sum(event.payload == b"[]" for event in way.trace)
    rows.append([name, requests, empty, "yes" if name == "WebSocket" else "no"])
table(
    rows,
    ["way", "HTTP requests", "answered with nothing", "client may speak on it"],
    title="Three pieces of news, four ways",
    exact=True,
)

# %%
bars(
    {name: sum(event.wire_bytes for event in way.trace) for name, way in ways.items()},
    title="Every HTTP request brings its headers along",
    unit="bytes on the wire",
)

# %% [markdown]
# For three pieces of news, server-sent events need the fewest bytes: the WebSocket handshake has the longest headers of all. But it is paid for once, and
# from then on both sides may speak.
#
# So when is WebSocket **not** the choice?
#
# - The client asks rarely, and nothing happens in between: plain HTTP. It can be cached, and every proxy knows it.
# - News goes one way, from the server to the client: server-sent events are simpler, and a browser's `EventSource` connects again by itself
#   (HTML standard, section *Server-sent events*).
# - Both may speak at any time, often, and soon: that is what WebSocket is for.

# %% [markdown]
# ## The diagram from memory
#
# Without scrolling up: one client, one connection, the message `save milk two bottles` and its answer, with the database. Write the arrows from the opening to the end,
# one text each, such as `"Client -> Server: GET"`. For a frame its kind is enough: `TEXT`, `CLOSE`; for the statement `INSERT`; the last one is
# `TCP end`.

# %%
predict("m1", "All arrows of one saved note, from memory.", arrows=...)

# %%
server = await serve(notes)
with record(server) as memory:
    async with connect(server.url) as ws:
        await ws.send("save milk two bottles")
        await ws.recv()
    await memory.settled()
reveal("m1", memory)

# %% [markdown]
# ## Exercises
#
# [Exercises 1](../exercises/01_overview.ipynb): **1.1 One life in order** (★, 10 minutes) and **1.2 A handler with a memory** (★★★, 25 minutes).
# *Going further:* **1.3 Four bugs, one handler** (★★, 20 minutes).
#
# ## You have now seen
#
# - the overview *client, server, database*, drawn by real traffic: its one arrow is a whole connection;
# - handshake, messages and close in a recording, and that the handshake is paid for once;
# - the push, which the overview does not show, and that somebody has to tell the server;
# - that a handler serves a connection and not a message, and that `time.sleep` stops everybody;
# - polling, long-polling, server-sent events and WebSocket side by side.
#
# **Next:** the exercises, then [lesson 2](02_request_response.ipynb): request, process, response.
#
# ## Further reading
#
# - RFC 6455, sections 1.1 (why WebSocket and not polling), 1.3 and 1.4 (opening and closing handshake)
# - RFC 6202, *Known issues and best practices for the use of long polling and streaming in bidirectional HTTP*
# - HTML standard, *Server-sent events*; websockets documentation, FAQ *Server*; SQLite documentation, *Write-Ahead Logging*
# - words: [glossary](glossary.md) · all on one page: [cheat sheet](cheat_sheet.md)
#
# Last of all: stop the servers of this lesson, and remove its database.

# %%
for running in running_servers():
    await running.stop()
folder.cleanup()
assert running_servers() == [] and not path.exists()
