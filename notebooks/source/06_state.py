# %% [markdown]
# # 6 · Stateless and stateful
#
# About 75 minutes, with one exercise, and two more to go further. You need lessons [1](01_overview.ipynb) to [3](03_patterns.ipynb): a handler, a
# database, a session; and [lesson 4](04_architectures.ipynb): several servers behind a load balancer.
#
# **In this lesson you will**
#
# - see *stateless* and *stateful* side by side, drawn by real traffic;
# - lose a connection and then a whole process, and see which variables are lost with them;
# - lose a session behind a load balancer, and save it in a store that all servers share;
# - watch an update get lost, and find ghosts among the users who are online;
# - measure what "more scalable" and "more efficient" mean.

# %%
import asyncio
import hmac
import inspect
import json
import os
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from servers import carts, counters
from websockets import ConnectionClosed, InvalidStatus, connect

from wslab import charts, predict, record, reveal, running_servers, seed, serve
from wslab.engines import available, running_clusters, start_cluster, stored
from wslab.sources import watch_sql

# %% [markdown]
# ## Before you start: three questions from memory
#
# Do not look them up. A wrong answer costs nothing; it tells you what to read again in lessons 5 and 3.
#
# **Lesson 5.** A client sends a text message, plain letters only. The server sends the same message back. The cell below says how long it is.
#
# 1. How many bytes cross the wire upward, frame header included?
# 2. How many downward?
#
# **Lesson 3.** A server refuses a stranger, with HTTP status 401 or with close code 4401. The cell says at which moment.
#
# 3. Which of the two numbers does the stranger see?

# %%
dice = random.Random(seed() + 6)
letters, moment = dice.choice([60, 110, 130, 200]), dice.choice(["before", "after"])
print(f"{letters} letters; refused {moment} the opening handshake is complete")
predict("r6", "Bytes up, bytes down, and the number that the stranger sees?", up=..., down=..., number=...)


# %%
def door(connection, request):
    if moment == "before" and "Stranger" in request.path:
        return connection.respond(401, "who are you?\n")


async def club(ws):
    if "Stranger" in ws.request.path:
        return await ws.close(4401)
    async for message in ws:
        await ws.send(message)


server = await serve(club, process_request=door, name="Club")
with record(server) as recording:
    async with connect(f"{server.url}/?name=Ada") as ws:
        await ws.send("x" * letters)
        await ws.recv()
    await recording.settled()
    try:
        async with connect(f"{server.url}/?name=Stranger") as ws:
            await ws.recv()
    except InvalidStatus as exc:
        number = exc.response.status_code
    except ConnectionClosed as exc:
        number = int(exc.rcvd.code)
    await recording.settled()

# %%
up, down = (event.wire_bytes for event in recording.trace if event.kind == "text")
reveal("r6", recording, up=up, down=down, number=number)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# A frame header has 2 bytes for up to 125 bytes of payload, 4 for up to 65,535; upward a 4-byte masking key is added. Before the handshake is
# complete there is no connection that could have a close code, so the answer is an HTTP status; afterwards there is no HTTP any more.
#
# </details>
#
# ## 1 Who remembers?
#
# ```
# Stateless:                 Stateful:
# Each request independent   Server remembers client
#
# Request 1 → Server        Request 1 → Server (saves state)
# Request 2 → Server        Request 2 → Server (retrieves state)
# Request 3 → Server        Request 3 → Server (updates state)
#
# No session needed         Session maintained
# More scalable            Can be more efficient
# ```
#
# **What does this picture promise?** Say it in one sentence for each column. *State* is what one request leaves behind for the next. Where is it on
# the left?
#
# A shop, twice. First without a memory: a request carries the whole cart and one item more. Then with a memory: the cart stays on the server,
# under the name of its customer. (The servers of this lesson stand in a file, [servers/carts.py](servers/carts.py), because later they run in
# processes of their own. `inspect.getsource` shows the pieces that we use.)

# %%
print(inspect.getsource(carts.stateless))
print("carts = {}\n\n\n" + inspect.getsource(carts.in_memory))

# %% [markdown]
# A name is enough to get a cart here, so that our pictures are readable. A real session is opened by a token that nobody can guess (lesson 3).
#
# Ada fills her cart, at each shop. `visit` opens a connection, sends its messages one by one and returns the answers. Last, a table has both columns
# of the diagram, request by request.


# %%
async def visit(url, name, *messages):
    async with connect(f"{url}/?name={name}") as ws:
        answers = []
        for message in messages:
            await ws.send(message)
            answers.append(await ws.recv())
        return answers


server = await serve(carts.stateless)
with record(server) as left:
    await visit(server.url, "Ada", "cart: + tea", "cart: tea + jam", "cart: tea jam + tea")
    await left.settled()
left

# %%
server = await serve(carts.in_memory)
with record(server) as right:
    await visit(server.url, "Ada", "open ada", "add tea", "add jam")
    await right.settled()
right.display()
sides = [[event.text for event in side.trace if event.kind == "text"] for side in (left, right)]
names = [f"{what} {number}" for number in (1, 2, 3) for what in ("request", "answer")]
rows = list(zip(names, *sides, strict=True))
charts.table(rows, ["", "stateless", "stateful"], title="On the left each request stands for itself", exact=True)

# %% [markdown]
# Look at request 3 (**arrow 7** of both recordings). On the left you can read off the answer. On the right, `add jam` to *what*? That depends on what
# came before: the server *remembers*.
#
# What is in the recordings that is not in the diagram? **Arrows 1 and 2**: all three requests are on one connection, and it stays open between
# them, on both sides. An open connection is itself something that a server remembers. So no WebSocket server is without any state. The question is
# only *where* it keeps what it must not lose.
#
# ## 2 Three places
#
# A server can keep a variable in three places. This one counts its messages in all three: in a variable of the **handler** (which runs once for
# each connection), in a variable of the **process**, and in a **store**, here a database file. `ask` runs one SQL statement, as in lesson 1. The
# cell shows the source.
#
# A client sends some messages. Then its connection is cut; it connects again and sends **one**. Then the process is killed and a new one started;
# the client connects again and sends **one**. **Predict** the three counters after each of these steps: three numbers each, such as `[4, 5, 6]`.

# %%
print('counted = {"process": 0}\n\n\n' + inspect.getsource(counters.counting))
messages = random.Random(seed()).randint(2, 4)
print("messages before the connection is cut:", messages)
predict("e6.1", "Before, after the cut, after the kill: what do the counters say?", handler=..., process=..., store=...)


# %% [markdown]
# The server runs in a process of its own, so that we can kill it; `start_cluster` starts it from the file
# [servers/counters.py](servers/counters.py). `prepare` makes the tables for the whole lesson.


# %%
def prepare(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE messages (text)")
        database.execute("CREATE TABLE carts (name PRIMARY KEY, cart)")


async def count(ws, messages):
    for _ in range(messages):
        await ws.send("count me")
        answer = json.loads(await ws.recv())
    return answer


# %%
counter = await start_cluster("servers.counters:counting", servers=1, policy=None)
prepare(counter.database)
process = counter.servers[0]
with record(counter) as losses:
    ws = await connect(counter.url)
    steps = [await count(ws, messages)]
    await losses.settled()
    process.tap.cut()  # the connection dies
    await losses.settled()
    ws = await connect(counter.url)
    steps.append(await count(ws, 1))
    await losses.settled()
    process.kill()  # the process dies
    await ws.wait_closed()
    await losses.settled()
    await process.restart()
    async with connect(counter.url) as ws:
        steps.append(await count(ws, 1))
    await losses.settled()
await counter.stop()
seen = {name: [step[place] for step in steps] for place, name in enumerate(("handler", "process", "store"))}
reveal("e6.1", losses.without("Database", "Log"), **seen)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# A new connection is a new call of the handler: its variables begin anew. The process goes on after the cut, and its variables with it; the killed
# one took them along. The store belongs to neither.
#
# | a variable | is lost with the connection | is lost with the process |
# |---|---|---|
# | of the handler, or on `ws` | yes | yes |
# | of the process | no | yes |
# | in a store | no | no |
#
# And there is a fourth place, outside the server: what the *client* keeps survives all losses of the server.
#
# </details>
#
# ## 3 Any server will do
#
# Now three servers, each a process, behind a load balancer (Caddy) that deals connections *round robin*: one, two, three, one, … If Caddy is not
# installed on your computer, the next cell says so, and you will see recordings that were made elsewhere.
#
# The stateless shop. Ada asks for jam and gets her answer. Then the server that has answered is **killed**. Ada knows everything that is needed:
# she sends the same request once more, and once more, to whichever server the balancer chooses.


# %%
async def kill_and_ask_again(shop, first, *later):
    with record(shop) as recording:
        ws = await connect(f"{shop.url}/?name=Ada")
        await ws.send(first)
        await ws.recv()
        await recording.settled()
        answered = recording.without("Load balancer").arrow(1).target
        server = next(server for server in shop.servers if server.name == answered)
        server.kill()
        await ws.wait_closed()
        await recording.settled()
        for messages in later:
            await visit(shop.url, "Ada", *messages)
            await recording.settled()
    await server.restart()
    return recording.without("Load balancer")


engines = available()
if engines:
    shop = await start_cluster("servers.carts:stateless")
    killed = await kill_and_ask_again(shop, "cart: tea + jam", ["cart: tea + jam"], ["cart: tea + jam"])
else:
    killed = stored("06_stateless")
killed

# %% [markdown]
# (`without("Load balancer")` leaves out that each arrow passed through the balancer.)
#
# **Arrow 5**: the server is gone, without a close frame. **Arrows 4, 9 and 16** are the same answer, from three different servers. Nothing was
# lost, because the server had nothing to lose.
#
# It has a price, though. What the client carries, the client can change. What must not be changed is *signed*: the servers share a key, and send a
# signature along that can only be made with the key.

# %%
KEY = b"only the servers know this"


def signature(cart):
    return hmac.new(KEY, cart.encode(), "sha256").digest()


signed = signature("cart: tea")
for cart in ("cart: tea", "cart: tea champagne"):
    print(cart, "is", "as we made it" if hmac.compare_digest(signature(cart), signed) else "not what we signed")

# %% [markdown]
# Any server that has the key can check it, and none has to remember anything. The client still *reads* what it carries: a signature hides nothing.
#
# **Your turn.** Exercise [6.1 What survives?](../exercises/06_state.ipynb) asks of eight things what section 2 asked of three. Do it now, or read
# on and come back.
#
# ## 4 One in three
#
# The shop with a memory, again three processes. Ada opens a cart, adds tea, leaves and comes back.

# %%
if engines:
    shop = await start_cluster("servers.carts:in_memory")
    with record(shop) as forgotten:
        for messages in (["open ada", "add tea"], ["resume ada"]):
            await visit(shop.url, "Ada", *messages)
            await forgotten.settled()
    forgotten = forgotten.without("Load balancer")
else:
    forgotten = stored("06_in_memory")
forgotten

# %% [markdown]
# **Arrow 13**: no session. Nothing has crashed, nobody was cut off. Ada has only come back through the balancer, and the other server has never
# heard of her. Her cart is in the memory of the server of arrow 4.
#
# **Predict.** Two customers come and go, each visit a new connection. The first visit of each opens a cart, every other one resumes it. Which
# resumes succeed? A list of the visits' numbers, such as `[3, 6]`.

# %%
orders = ["BCBBCCBC", "BCCBCBCB", "BCBCBCBC", "BCCBBCCB", "BCBCCBBC"]
order = random.Random(seed() if engines else 1).choice(orders)
customers = [{"B": "Bob", "C": "Cem"}[letter] for letter in order]
print(", ".join(f"{number} {name}" for number, name in enumerate(customers, 1)))
predict("p6.1", "Three servers, round robin: which resumes succeed?", resumed=...)


# %%
async def all_visits(shop):
    with record(shop) as recording:
        for number, name in enumerate(customers):
            command = "resume" if name in customers[:number] else "open"
            await visit(shop.url, name, f"{command} {name.lower()}")
            await recording.settled()
    return recording.without("Load balancer")


def table(recording, title):
    texts = [event for event in recording.trace if event.kind == "text"]
    visits = zip(range(1, 9), texts[::2], texts[1::2], strict=True)
    rows = [[number, request.text, request.target, answer.text] for number, request, answer in visits]
    resumed = [n for n, request, _, answer in rows if request.startswith("resume") and answer.startswith("cart")]
    return charts.table(rows, ["visit", "request", "reached", "answer"], title=recording.title or title), resumed


if engines:
    shop = await start_cluster("servers.carts:in_memory")
    memory = await all_visits(shop)
else:
    memory = stored("06_visits_in_memory")
picture, resumed = table(memory, "In memory: a resume succeeds on the server that opened")
reveal("p6.1", picture, resumed=resumed)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the table shows</summary>
#
# The server of visit 1 is met again by visits 4 and 7, whoever makes them; that of visit 2 by visits 5 and 8. For a customer with less luck the
# cart is *gone*, and back some visits later. Such a fault is hard to find: on the developer's machine, with one server, it never happens.
#
# </details>
#
# A balancer can be told to send the same client always to the same server, by a cookie for example (a *sticky session*; Caddy documentation,
# `lb_policy`). Then a resume finds its cart, as long as that one server lives.
#
# ## 5 A store for all
#
# The repair: the processes keep no carts. They ask a store that all of them share.

# %%
for function in (carts.save, carts.retrieve, carts.update, carts.in_store):
    print(inspect.getsource(function))

# %% [markdown]
# The very same visits as before:

# %%
if engines:
    shop = await start_cluster("servers.carts:in_store")
    prepare(shop.database)
    shared = await all_visits(shop)
else:
    shared = stored("06_visits_in_store")
table(shared, "In a store: every resume succeeds")[0]

# %% [markdown]
# All resumes succeed, whichever server they reach. Now the hardest case. Ada opens a cart, and the server that opened it is killed. She comes back
# twice, and the second time she adds tea.
#
# **Find the proof.** Somewhere in this recording an arrow is the first to show that a server answers from the *store* and not from its memory. Which
# number does it have? The recording goes like that of section 3 (connect, request, answer, killed, connect, …), and each statement is an arrow,
# too. Draw it on paper, then count.

# %%
predict("e6.3", "Which arrow is the first to show that the state comes from the store?", arrow=...)

# %%
if engines:
    saved = await kill_and_ask_again(shop, "open ada", ["resume ada"], ["resume ada", "add tea"])
else:
    saved = stored("06_in_store")
first = next(row.number for row in saved.rows if row.event.kind == "sql" and row.event.text.startswith("SELECT"))
reveal("e6.3", saved, arrow=first)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The right column of the diagram, word by word, and each on another server: **arrow 4** *saves state*, **arrow 10** *retrieves state*, **arrows 21
# and 22** *update state*. The server of arrow 4 is dead since arrow 6, and its customer has lost nothing.
#
# The handlers keep one thing, `name`: who is at the other end of this connection. It is lost with the connection, and that is why a client must
# *resume* on each new one.
#
# </details>
#
# ## 6 Two at once
#
# A shared store brings a fault that one server alone did not have. `update` reads, changes, and writes: three steps, and between them another
# server may do the same. We count visitors this way, on two servers. `get` reads, `put` writes. (`carts.ask` finds the database file by an
# environment variable, which `start_cluster` sets for its processes. Here the notebook sets it for itself.)
#
# To *see* the bad moment and not wait for it, each server stops at a gate between reading and writing. A gate is an `asyncio.Event`: `wait()` waits
# until somebody calls `set()`.

# %%
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "lesson.db"
os.environ["WSLAB_DATABASE"] = str(path)
prepare(path)


def opened(server):
    return closing(watch_sql(sqlite3.connect(path, isolation_level=None), server=server))


def get(server):
    with opened(server) as database:
        return database.execute("SELECT n, version FROM visitors").fetchone()


def put(server, n):
    with opened(server) as database:
        database.execute("UPDATE visitors SET n = ?", [n])


# %%
gates = {"Server 1": asyncio.Event(), "Server 2": asyncio.Event()}


def visitors(server):
    async def handler(ws):  # 1 accept
        async for _ in ws:  # 2 read
            n, _ = await asyncio.to_thread(get, server)  # 3 decide
            await gates[server].wait()
            await asyncio.to_thread(put, server, n + 1)
            await ws.send(f"visitor {n + 1}")  # 4 answer
        # 5 clean up: nothing is left to do

    return handler


one, two = [await serve(visitors(name), name=name) for name in gates]

# %% [markdown]
# Ada visits server 1, Bob server 2. Both servers read; then the gates open, first that of server 1, then that of server 2. **Predict**: which
# number is Ada told, which is Bob told, and what stands in the store at the end?

# %%
start = random.Random(seed()).randint(5, 9)
print("visitors so far:", start)
predict("p6.2", "Both servers read, then both write: what are they told, what is stored?", ada=..., bob=..., stored=...)


# %%
async def both_at_once(one, two):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DROP TABLE IF EXISTS visitors")
        database.execute("CREATE TABLE visitors AS SELECT ? AS n, 1 AS version", [start])
    async with connect(f"{one.url}/?name=Ada") as ada, connect(f"{two.url}/?name=Bob") as bob:
        with record(one, two) as race:
            for ws in (ada, bob):
                await ws.send("hello")
                await race.settled()
            for gate, ws in zip(gates.values(), (ada, bob), strict=True):
                gate.set()
                await ws.recv()
                gate.clear()
                await race.settled()
    return race


def told(recording, name):
    answers = [event.text for event in recording.trace if event.kind == "text" and event.target == name]
    return int(answers[0].split()[1])


race = await both_at_once(one, two)
reveal("p6.2", race, ada=told(race, "Ada"), bob=told(race, "Bob"), stored=get("Server 1")[0])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# Both read the same number (**arrows 2 and 4**), so both write the same (**5 and 7**). The second write is right for what its server knew, and it
# wipes out the first: a **lost update**. Two visitors came and were counted once; nothing raised an error. The `update` of our shop has the same
# fault, as soon as Ada shops in two windows.
#
# An `asyncio.Lock` does not help: it is for the tasks of one program (Python documentation, *Synchronization Primitives*), and real servers are
# several programs.
#
# </details>
#
# **The repair:** each value has a version. Whoever writes says which version was read, and the store writes only if that is still the current one. If
# not, the server reads again. This is called *compare and set*. (`rowcount` says how many rows a statement has changed.) The same bad schedule:


# %%
def put_if(server, n, version):
    with opened(server) as database:
        change = "UPDATE visitors SET n = ?, version = ? WHERE version = ?"
        return database.execute(change, [n, version + 1, version]).rowcount == 1


def careful_visitors(server):
    async def handler(ws):  # 1 accept
        async for _ in ws:  # 2 read
            written = False
            while not written:  # 3 decide
                n, version = await asyncio.to_thread(get, server)
                await gates[server].wait()
                written = await asyncio.to_thread(put_if, server, n + 1, version)
            await ws.send(f"visitor {n + 1}")  # 4 answer
        # 5 clean up: nothing is left to do

    return handler


one, two = [await serve(careful_visitors(name), name=name) for name in gates]
repaired = await both_at_once(one, two)
rows = [[what, told(side, "Ada"), told(side, "Bob")] for what, side in (("put", race), ("put_if", repaired))]
reveal("p6.2", charts.table(rows, ["", "Ada is visitor", "Bob is visitor"], title="Compare and set counts both"))

# %%
reveal("p6.2", repaired)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# **Arrow 7** is the write that came too late: version 1 is no longer there, no row is changed, `rowcount` is 0. The server reads again (**arrow
# 8**) and writes on top of what Ada's server has written (**arrow 9**).
#
# Where a store can make the change itself, in one statement such as `SET n = n + 1`, there is no "between": SQLite lets writers follow one another
# (SQLite documentation, *Isolation In SQLite*).
#
# </details>
#
# **Your turn.** Exercise [6.3 Save, retrieve, update](../exercises/06_state.ipynb) uses sections 5 and 6. With many writers at once, a pause
# between the attempts matters: there you will see how much.
#
# ## 7 Ghosts
#
# Some state *should* die with its connection: who is online. Each of these servers keeps a set of names. `careless` removes a name after its
# loop; `tidy` removes it in `finally`, which runs however the block is left.

# %%
online = set()


async def careless(ws):  # 1 accept
    name = await ws.recv()
    online.add(name)
    async for _ in ws:  # 2 read
        pass
    online.discard(name)  # 5 clean up


async def tidy(ws):  # 1 accept
    name = await ws.recv()
    online.add(name)
    try:
        async for _ in ws:  # 2 read
            pass
    finally:
        online.discard(name)  # 5 clean up


# %% [markdown]
# Three users leave, in three ways. One closes politely. One is *cut*: TCP ends at once, without a close frame. And one vanishes in a *black hole*:
# the line is dead, and nobody is told; a pulled cable, a phone in a tunnel. **Predict** who is online 50 milliseconds later, on each server; a list
# of names, which may be empty.

# %%
users = random.Random(seed()).sample(["Ada", "Bob", "Cem"], 3)
print("politely: {}, cut: {}, black hole: {}".format(*users))
predict("p6.3", "Who is online 50 ms later?", careless=..., tidy=...)


# %%
async def three_leave(server):
    polite, cut, vanished = users
    sockets = {}
    with record(server) as leaving:
        for name in users:
            sockets[name] = await connect(f"{server.url}/?name={name}", close_timeout=0.1)
            await sockets[name].send(name)
            await leaving.settled()
        await sockets[polite].close()
        await leaving.settled()
        server.tap.cut(cut)
        server.tap.blackhole(vanished)
        await asyncio.sleep(0.05)
        still_there = sorted(online)
        await leaving.settled()
    await sockets[vanished].close()
    online.clear()
    return leaving, still_there


server = await serve(careless, name="Careless", close_timeout=0.1)
leaving, still_there = await three_leave(server)
reveal("p6.3", leaving, careless=still_there)

# %%
server = await serve(tidy, name="Tidy", close_timeout=0.1)
leaving, still_there = await three_leave(server)
reveal("p6.3", leaving, tidy=still_there)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# After the cut (**arrow 13**), `async for` *raises* `ConnectionClosedError`, which **arrow 14** logs. The line after the loop is never reached: a
# **ghost**, for ever. `finally` is reached.
#
# Neither notices the black hole: no byte came that could tell the server anything. To the server that connection is *open*.
#
# </details>
#
# Only a question can find this ghost: are you there? The library asks by itself, with pings (*keepalive*): by default every 20 seconds, waiting 20
# seconds for the pong (websockets documentation, *Keepalive and latency*). Here it is told to be quicker, and the
# cell waits until nobody is online.

# %%
server = await serve(tidy, name="Asking", ping_interval=0.1, ping_timeout=0.1, close_timeout=0.1)
with record(server) as noticed:
    ws = await connect(f"{server.url}/?name=Cem", close_timeout=0.1)
    await ws.send("Cem")
    await noticed.settled()
    server.tap.blackhole("Cem")
    while online:
        await asyncio.sleep(0.01)
    await noticed.settled()
await ws.close()
reveal("p6.3", noticed)

# %% [markdown]
# **Arrow 4**: no pong came, so the server gave up, with 1011. That frame vanished like everything else, but `async for` raised (**arrow 6** logs it),
# and `finally` did the rest.
#
# A list of who is online is therefore always a little behind the truth; how much, the pings decide. And it belongs to *one* process: a killed one
# runs no `finally` (Python documentation, `signal.SIGKILL`). What several servers are to know about their users goes into the store, with a time at
# which it expires.
#
# **Your turn.** Exercise [6.2 Ghosts](../exercises/06_state.ipynb) asks for all kinds of end, and for users with two windows.
#
# ## 8 What it costs
#
# The diagram says *more scalable* on the left and *can be more efficient* on the right. Measure both. A customer adds thirty teas, one after the
# other, at each of our three servers. **Predict** how many bytes her *thirtieth* request has on the wire, stateless and with a session, and how
# many SQL statements the thirty requests cost the server with the store. (With a session each request is `add tea`. The thirtieth stateless one is
# `cart:`, then 29 times ` tea`, then ` + tea`.)
#
# And the time? The first picture shows it, from sending to the answer; then come the bytes.

# %%
predict("e6.5", "Bytes of the 30th request, and statements for all thirty?", stateless=..., session=..., statements=...)


# %%
async def thirty_teas(handler):
    server = await serve(handler)
    cart, seconds = "cart:", []
    async with connect(f"{server.url}/?name=Ada") as ws:
        if handler is not carts.stateless:
            await ws.send("open ada")
            await ws.recv()
        with record(server) as recording:
            for _ in range(30):
                began = time.perf_counter()
                await ws.send(f"{cart} + tea" if handler is carts.stateless else "add tea")
                cart = await ws.recv()
                seconds.append(time.perf_counter() - began)
            await recording.settled()
    return recording, seconds


teas = {handler.__name__: await thirty_teas(handler) for handler in (carts.stateless, carts.in_memory, carts.in_store)}
times = {name: [1000 * each for each in seconds] for name, (_, seconds) in teas.items()}
charts.spread(times, title="How long thirty requests took, one by one")

# %%
sizes, statements = {}, {}
for name, (recording, _) in teas.items():
    sizes[name] = [event.wire_bytes for event in recording.trace if event.kind == "text" and event.up]
    statements[name] = sum(event.kind == "sql" for event in recording.trace)
picture = charts.lines(
    {
        "stateless": list(enumerate(sizes["stateless"], 1)),
        "session": list(enumerate(sizes["in_memory"], 1)),
    },
    title="What is sent every time grows with the state",
    x="request",
    y="bytes upward",
    exact=True,
)
costs = {"stateless": sizes["stateless"][-1], "session": sizes["in_memory"][-1], "statements": statements["in_store"]}
reveal("e6.5", picture, **costs)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# *More efficient* is about the line that stays flat: with a session only what is new is sent, `add tea` in 13 bytes, however full the cart is. The
# stateless request carries the cart, 4 bytes more for each tea (and once 2 bytes more: over 125 bytes the header is longer). For a cart that is
# nothing; for a document it is.
#
# The store has its price, too: a statement to read and one to write, for every single request.
#
# </details>
#
# In the first picture, the distance between the last two rows is the way to the store and back. Here that is a file on the same computer; a database
# server is further away.
#
# Now *more scalable*: one server, then a second one is added, then a third. Each time a customer opens a new cart, and then comes back six times.


# %%
async def grow(handler, first, again):
    shop = await start_cluster(f"servers.carts:{handler}", servers=1)
    prepare(shop.database)
    found = []
    for servers in (1, 2, 3):
        if servers > 1:
            await shop.add()
        await visit(shop.url, "Ada", first)
        answers = [(await visit(shop.url, "Ada", again))[0] for _ in range(6)]
        found.append(f"{sum(answer.startswith('cart') for answer in answers)} of 6")
    return found


sessions = ("open ada", "resume ada")
requests = {"stateless": ("cart: + tea", "cart: tea + jam"), "in_memory": sessions, "in_store": sessions}
rows = []
for name, (first, again) in requests.items():
    found = await grow(name, first, again) if engines else ["not measured"] * 3
    rows.append([name, sum(sizes[name]), statements[name], *found])
columns = ["", "bytes, 30 requests", "statements", "1 server", "2 servers", "3 servers"]
reveal("e6.5", charts.table(rows, columns, title="Thirty requests, and six visits in search of their cart"))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the table shows</summary>
#
# The last three columns count the visits that found their cart.
#
# - **stateless** is *more scalable*: a new server can answer at once, and shares nothing with the others.
# - **in_memory** is *most efficient*, and right on one server only.
# - **in_store** is right on all three. But it has moved the question, not answered it: all servers now ask one store, and each of these requests
#   asks it twice. When *it* becomes too slow, more servers do not help.
#
# </details>
#
# Real servers mix all of these: on the connection who is there, in the process what may be lost (a cache), in the store what must not be lost, with
# the client, signed, what it may carry.
#
# ## The diagram from memory
#
# Without scrolling up: the server with the store, on a connection that is already open. Ada sends `open ada`, `resume ada` and `add tea`. Write
# down all arrows, in the form `"Ada -> Server: TEXT"`; messages are `TEXT`, statements go to `Database` and are `INSERT`, `SELECT` or `UPDATE`.

# %%
predict("m6", "All arrows of three requests with the store, from memory.", arrows=...)

# %%
server = await serve(carts.in_store)
async with connect(f"{server.url}/?name=Ada") as ws:
    with record(server) as diagram:
        for message in ("open ada", "resume ada", "add tea"):
            await ws.send(message)
            await ws.recv()
        await diagram.settled()
reveal("m6", diagram)

# %% [markdown]
# ## Exercises
#
# [Exercises 6](../exercises/06_state.ipynb): **6.1 What survives?** (★, 15 minutes). *Going further*, when you like: **6.2 Ghosts** (★★, 25
# minutes) and **6.3 Save, retrieve, update** (★★★, 40 minutes).
#
# ## You have now seen
#
# - the diagram *stateless and stateful*, drawn by real traffic, and that an open connection is state in any case;
# - three places for a variable, and what is lost with the connection and with the process;
# - a session that one server in three knows, and the store that makes it three in three, even when a server is killed;
# - a lost update, and *compare and set* against it;
# - ghosts: `finally` for ends that raise, a ping for those that say nothing;
# - what each way costs, in bytes, in statements, and when servers are added.
#
# **Next:** the exercises, then [lesson 7](07_error_handling.ipynb): the error flow.
#
# ## Further reading
#
# - RFC 6455, section 5.2 (frame headers), 5.5.2 (ping), 7.1.5 (the close code, and 1006);
# - websockets documentation: *Keepalive and latency*;
# - Caddy documentation: `reverse_proxy`, *Load balancing*; SQLite documentation: *Isolation In SQLite*;
# - Python documentation: `hmac`, `asyncio` *Synchronization Primitives*;
# - words: [glossary](glossary.md) · all on one page: [cheat sheet](cheat_sheet.md)
#
# Last of all: stop everything, and remove the database.

# %%
for running in [*running_servers(), *running_clusters()]:
    await running.stop()
folder.cleanup()
assert running_servers() == [] and running_clusters() == [] and not path.exists()
