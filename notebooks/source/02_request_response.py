# %% [markdown]
# # 2 · Request, process, response
#
# About 60 minutes, with two exercises, and two more to go further. You need lessons [0](00_start_here.ipynb) and [1](01_overview.ipynb): `await`, a task, `async for`, handshake, message and close in a recording.
#
# **In this lesson you will**
#
# - see the diagram *request, process, response* drawn by real traffic;
# - predict in which order answers come back, and when, for two kinds of server;
# - pair answers with questions by an `id`;
# - meet a message that nobody asked for, and a client that mistakes it for an answer.

# %%
import asyncio
import json
import random
import time

from websockets import broadcast, connect

from wslab import predict, record, reveal, running_servers, seed, serve

# %% [markdown]
# ## Before you start: three questions from memory
#
# Do not look them up. A wrong answer costs nothing; it tells you what to read again in lessons 0 and 1.
#
# The cell below picks a number of messages for you. A client opens **one** connection, sends that many messages, gets an answer to
# each, and closes politely.
#
# 1. How many opening handshakes (a GET and a 101) does the recording show?
# 2. How often was the handler started?
# 3. How many frames go from the client to the server, all in all? (GET and 101 are no frames.)
#
# Run the cell to see your number. Then put your answers in the place of `...` and run it again. As long as you have not, the picture stays
# covered.

# %%
messages = random.Random(seed()).randint(3, 5)
print("your number of messages:", messages)
predict("r2", "How many of each?", handshakes=..., starts=..., frames=...)

# %% [markdown]
# Now the same thing for real: a server, a client, and a recording of what crossed between them.

# %%
starts = []


async def echo(ws):
    starts.append(1)
    async for message in ws:
        await ws.send(message)


server = await serve(echo)
with record(server) as recording:
    async with connect(server.url) as ws:
        for number in range(messages):
            await ws.send(f"message {number}")
            await ws.recv()
    await recording.settled()
sent = [event.kind for event in recording.trace if event.up]
frames = sent.count("text") + sent.count("close")
reveal("r2", recording, handshakes=sent.count("request"), starts=len(starts), frames=frames)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# One handshake, one start of the handler, however many messages. The client's frames are its messages **and** its close frame: ending
# politely is a frame too.
#
# </details>

# %% [markdown]
# ## 1 In turns
#
# This is the picture that most people have in mind:
#
# ```
# Client                                    Server
#   │                                         │
#   │  1. Send Request                        │
#   │────────────────────────────────────────▶│
#   │                                         │
#   │                                         │ 2. Process
#   │                                         │    Request
#   │                                         │
#   │  3. Receive Response                    │
#   │◀────────────────────────────────────────│
#   │                                         │
# ```
#
# 1. The client sends a request with data.
# 2. The server processes the request.
# 3. The server sends back a response.
#
# **What does this picture promise?** Say it in one sentence before you read on: how many answers does a request get, and who may speak
# when?

# %% [markdown]
# A server that keeps this promise. The five comments name the five jobs of every handler in this course; you will meet them again in each
# lesson. "Work" is a wait of so many seconds, as if a database took its time.


# %%
async def in_turns(ws):  # 1 accept: the handler starts, once for this connection
    async for message in ws:  # 2 read
        request = json.loads(message)  # 3 decide what is asked
        await asyncio.sleep(request["work"])
        await ws.send(json.dumps({"id": request["id"]}))  # 4 answer
    # 5 clean up: here nothing is left to do


sequential = await serve(in_turns, name="Sequential server")

# %% [markdown]
# One request, and its answer. `json.dumps` makes text from a dictionary, `json.loads` a dictionary from text: a message is text or bytes,
# nothing else.

# %%
with record(sequential) as turns:
    async with connect(sequential.url) as ws:
        await ws.send(json.dumps({"id": 1, "work": 0.05}))
        await ws.recv()
    await turns.settled()
turns

# %% [markdown]
# Find the three steps: **arrow 3** is *send request*, the **bar** on the server's line is *process*, **arrow 4** is *receive response*. The
# diagram from above is in the recording, and it is true.
#
# What is in the recording that is not in the diagram? The opening handshake (arrows 1 and 2), the two close frames (5 and 6) and the end
# of the TCP connection (7). The diagram shows one exchange. The recording shows the whole life of the connection around it.
#
# **Change one thing.** Send two requests, the second after the first answer. What do you expect to see on the server's line?

# %%
with record(sequential) as twice:
    async with connect(sequential.url) as ws:
        for number in (1, 2):
            await ws.send(json.dumps({"id": number, "work": 0.05}))
            await ws.recv()
    await twice.settled()
twice

# %% [markdown]
# Two bars with a gap between them: while the client had its answer and had not asked again, the server had nothing to do. The connection
# (arrows 1 and 2) was opened only once.

# %% [markdown]
# ## 2 Three requests at once
#
# Nothing forces a client to wait. It may send three requests, one right after the other, and read the answers later. This is called
# *pipelining*. Each request says how much work it is. These are yours:

# %%
unsorted = [[0.15, 0.05, 0.1], [0.1, 0.15, 0.05], [0.15, 0.1, 0.05], [0.1, 0.05, 0.15]]
work = random.Random(seed()).choice(unsorted)
print("seconds of work for the requests 0, 1, 2:", work)

# %% [markdown]
# Two servers will get these three requests at time 0:
#
# - the **sequential** one you have just seen: it finishes one request, then reads the next;
# - a **concurrent** one: it starts a task for each request and reads on at once.
#
# **Predict** for both: in which order do the ids come back, such as `[0, 1, 2]`, and how many seconds until the last one is there?

# %%
predict(
    "p2.1",
    f"Three requests with {work} seconds of work: order and seconds, for both servers?",
    sequential_order=...,
    sequential_seconds=...,
    concurrent_order=...,
    concurrent_seconds=...,
)

# %% [markdown]
# The client for this experiment sends all three, then reads three times. First it asks the sequential server.


# %%
async def ask_three(url):
    async with connect(url) as ws:
        began = time.perf_counter()
        for number, seconds in enumerate(work):
            await ws.send(json.dumps({"id": number, "work": seconds}))
        order = [json.loads(await ws.recv())["id"] for _ in work]
        return order, time.perf_counter() - began


with record(sequential) as queue:
    order, seconds = await ask_three(sequential.url)
    await queue.settled()
reveal("p2.1", queue, sequential_order=order, sequential_seconds=seconds)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The three requests (arrows 3 to 5) leave at once; then you see **three bars one below the other**: the second request arrived early and
# waited, unread, until the first answer was sent. The order of the requests is kept, and the time is the **sum** of all the work.
#
# The handler runs line by line, and it was still waiting in `await asyncio.sleep(...)`. Other connections would go on meanwhile; *this*
# connection does not.
#
# </details>

# %% [markdown]
# ## 3 A task for each message
#
# The concurrent server. `TaskGroup` starts tasks and, at the end of its block, waits for those that still run. The handler reads on
# while they work.


# %%
async def a_task_each(ws):  # 1 accept
    async def answer(request):
        await asyncio.sleep(request["work"])
        await ws.send(json.dumps({"id": request["id"]}))  # 4 answer

    async with asyncio.TaskGroup() as tasks:  # 5 clean up: wait for the tasks
        async for message in ws:  # 2 read
            tasks.create_task(answer(json.loads(message)))  # 3 decide


concurrent = await serve(a_task_each, name="Concurrent server")

# %% [markdown]
# The same client, the same three requests.

# %%
with record(concurrent) as tasks:
    order, seconds = await ask_three(concurrent.url)
    await tasks.settled()
reveal("p2.1", tasks, concurrent_order=order, concurrent_seconds=seconds)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# Uncovered, the picture shows **three bars side by side**. The shortest piece of work is answered first, and the time is that of the
# **longest**. Arrows 3, 4 and 5 look exactly as before: the wire does not tell which kind of server is at its end; only the answers do.
#
# </details>
#
# **Find the proof.** One arrow of this recording cannot occur at its place with the sequential server. Which number does it have?

# %%
predict("e2.1", "Which arrow proves that an answer overtook another?", arrow=...)

# %%
down = [row.number for row in tasks.rows if row.event.kind == "text" and not row.event.up]
first_answer = down[0]
reveal("e2.1", tasks, arrow=first_answer)

# %% [markdown]
# In our pictures distances are not to scale: causes stand above effects, and that is all. This one is to scale:

# %%
reveal("p2.1", tasks.observed())

# %% [markdown]
# Its axis has the real milliseconds of *this* run. Run the cells with `record(concurrent)` and with `observed()` again, and they change a
# little. The order in the diagrams above does not.

# %% [markdown]
# ## 4 Which answer belongs to which question?
#
# With the concurrent server the answers came in an order of their own. How did `ask_three` know which is which? Only because **both ends put an `id`
# into the message**. Look at the bytes of an answer, arrow 4 of your very first recording:

# %%
turns.bytes(4)

# %% [markdown]
# Two bytes of header, then your JSON text. Each byte is written as two digits in base 16; the small boxes show the eight bits of the first
# two. The header says: this is the last piece of a message (FIN 1), it is text (opcode 1), it is so many bytes long. (RSV and MASK are for
# lesson 5.) It does **not** say which request it answers.
#
# WebSocket has no request and no response. It has messages, in both directions, at any time. *Request and response* is an agreement
# between two programs: "what I send carries an `id`, and what you send back carries the same one".

# %%
answers = [event.text for event in tasks.trace if event.kind == "text" and not event.up]
by_id = {json.loads(text)["id"]: text for text in answers}
for number, name in enumerate(("first", "second", "third")):
    print("the", name, "question is answered by", by_id[number])

# %% [markdown]
# **Your turn.** Exercises [2.1 The timeline and 2.2 A server that answers by id](../exercises/02_request_response.ipynb) use sections 2, 3 and 4.
# Do them now, or read on and come back.

# %% [markdown]
# ## 5 A message that nobody asked for
#
# A server may speak without being asked. Here is a small room: each request gets its answer after its work, and whenever somebody
# says *hello*, everybody in the room is told. Such a message is a *[push](glossary.md#p)*, as you saw it in lesson 1. `broadcast` sends one message to many connections.

# %%
room = set()


async def chat(ws):
    room.add(ws)  # 1 accept
    try:
        async for text in ws:  # 2 read
            await reply(ws, json.loads(text))
    finally:
        room.discard(ws)  # 5 clean up


async def reply(ws, request):
    if "hello" in request:  # 3 decide
        broadcast(room, json.dumps({"news": f"{request['hello']} says hello"}))
    else:
        await asyncio.sleep(request["work"])
        await ws.send(json.dumps({"id": request["id"]}))  # 4 answer


chat_server = await serve(chat, name="Chat server")
for_ada, for_bob = f"{chat_server.url}/?name=Ada", f"{chat_server.url}/?name=Bob"

# %% [markdown]
# `settled()` waits until all is quiet. In the middle it may not wait for the handler, which has work to do: `resident=` names what may go on.
#
# Ada asks a question that takes 0.1 seconds of work. While the server works on it, Bob says hello. Then Ada calls `recv()` twice. (The `?name=` in an address names
# the client's line in the picture.)
#
# **Predict** what the first `recv()` gives her: `"answer"`, `"news"` or `"error"`?

# %%
predict("p2.2", "What does Ada's first recv() return: answer, news or error?", first=...)

# %%
with record(chat_server) as push:
    async with connect(for_ada) as ada, connect(for_bob) as bob:
        await push.settled()
        await ada.send(json.dumps({"id": 7, "work": 0.1}))
        await push.settled(resident=chat_server.handlers())
        await bob.send(json.dumps({"hello": "Bob"}))
        received = [json.loads(await ada.recv()), json.loads(await ada.recv())]
        await bob.recv()
        await push.settled()
    await push.settled()
reveal("p2.2", push, first="news" if "news" in received[0] else "answer")

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# `recv()` gives the **next message**, whatever it is. It does not know what you asked. On Ada's line the push (arrow 7) is between her question
# (5) and its answer (9). A client that writes `send(...)` and then takes the next `recv()` for the answer is wrong as soon as the server pushes anything.
#
# The dotted lines across the picture are the places where the cell waited: for both to be connected, for Ada's question to have arrived, for
# the answers. Arrows marked ┊ could have happened in any order: they are on two connections, and nobody waited for anybody.
#
# </details>
#
# **The repair** for one question at a time: read on until the answer with your `id` is there, and keep the rest.


# %%
async def call(ws, request, news):
    await ws.send(json.dumps(request))
    async for text in ws:
        message = json.loads(text)
        if message.get("id") == request["id"]:
            return message
        news.append(message)


news = []
async with connect(for_ada) as ada, connect(for_bob) as bob:
    asking = asyncio.create_task(call(ada, {"id": 8, "work": 0.1}, news))
    await bob.send(json.dumps({"hello": "Bob"}))
    print("answer:", await asking)
print("kept for later:", news)

# %% [markdown]
# Now Ada has both: the answer, found by its `id`, and the news, kept aside.

# %% [markdown]
# ## 6 Two readers
#
# It is tempting to give each question a task of its own, and let each task call `recv()`. Two tasks then wait for the next message of *one*
# connection, here to the echo server from the beginning. Then one message comes back.
#
# **Predict** what each of the two gets: `"message"`, `"nothing"` or `"error"`?

# %%
predict("p2.3", "Two readers, one message: what does each get?", first=..., second=...)


# %%
said = []


async def read(ws):
    try:
        await ws.recv()
        return "message"
    except Exception as exc:
        said.append(f"{type(exc).__name__}: {exc}")
        return "error"


with record(server) as readers:
    async with connect(server.url) as ws:
        first, second = asyncio.create_task(read(ws)), asyncio.create_task(read(ws))
        await asyncio.wait([second])
        await ws.send("one message")
        outcome = {"first": await first, "second": await second}
    await readers.settled()
reveal("p2.3", readers, **outcome)

# %% [markdown]
# What the library said to the task that did not get the message:

# %%
print(*said, sep="\n")

# %% [markdown]
# The picture shows nothing unusual: the error happened in the client, not on the line.
#
# The library does not guess. Whoever comes second is told so at once, before any message arrives.
#
# A lock around `recv()` would silence this error and leave the fault: whoever holds the lock gets the next message, and that may be the
# *other* task's answer. The cure is **one reader** for each connection, which hands out the answers by `id`.

# %% [markdown]
# ## The diagram from memory
#
# Without scrolling up: write down the arrows of one request in turns, from opening to end. One text for each arrow, from, to and what it
# carries, such as `"Client -> Sequential server: GET"`. For a frame its kind is enough: `TEXT`, `CLOSE`; the last one is `TCP end`.

# %%
predict("m2", "All arrows of one request in turns, from memory.", arrows=...)

# %%
reveal("m2", turns)

# %% [markdown]
# ## Exercises
#
# [Exercises 2](../exercises/02_request_response.ipynb): **2.1 The timeline** (★, 15 minutes) and **2.2 A server that answers by id** (★★, 20 minutes).
# *Going further*, when you like: **2.3 Eight at once** (★★★, 30 minutes), a server that works at several requests without being overrun, and
# **2.4 A client that can be trusted** (★★★, 40 minutes), the cure for what you saw in sections 5 and 6.
#
# ## You have now seen
#
# - the diagram *request, process, response*, drawn by real traffic: arrow, bar, arrow;
# - that a sequential handler keeps the order and takes the sum, and that a task for each message gives the shortest first and takes the longest;
# - that an `id` in the message is the only thing that pairs an answer with its question;
# - that a push may come between a request and its answer, and that one connection wants one reader.
#
# **Next:** the exercises, then [lesson 3](03_patterns.ipynb): logging in, errors, and push as a pattern.
#
# ## Further reading
#
# - RFC 6455, section 1.2 (protocol overview), 5.2 (the bits of a frame), 5.4 (fragments);
# - websockets documentation: *Getting started*, *Patterns*, *Broadcasting messages*;
# - Python documentation: *Coroutines and Tasks*, `asyncio.TaskGroup`.
#
# The last cell of each lesson stops its servers.

# %%
for running in running_servers():
    await running.stop()
assert running_servers() == []
