# %% [markdown]
# # 4 · One server, or three behind a load balancer
#
# About 75 minutes, with one exercise, and four more to go further. You need lessons [1](01_overview.ipynb) to [3](03_patterns.ipynb): a
# handler, a push, a refusal at the door.
#
# **In this lesson you will**
#
# - see two architectures, one server and three behind a load balancer, drawn by real traffic;
# - predict which server a message meets, and watch two thirds of a chat room fall silent;
# - repair the room with a backplane;
# - add, drain, stop and kill servers, and see what their clients notice;
# - write clients that come back without a stampede;
# - measure what is promised of both architectures, and open 10,000 connections.

# %%
import asyncio
import inspect
import itertools
import os
import random
import time
from collections import Counter

from IPython.display import display
from servers import rooms
from websockets import InvalidStatus, broadcast, connect

from wslab import charts, predict, record, reveal, running_servers, seed, serve
from wslab.engines import available, measure, open_idle, running_clusters, start_cluster, stored

# %% [markdown]
# ## Before you start: three questions from memory
#
# Do not look them up; a wrong answer costs nothing. A server lets in who is invited and refuses strangers at the door, because it does not
# know who they are. The cell below says how many of each come, all at once. Then *one* guest sends a message, and the server broadcasts it
# to everybody who is connected.
#
# 1. How many 101 does the recording show? (lesson 3)
# 2. Which number does a stranger see? (lesson 3)
# 3. How many text frames cross the wire in all? (lesson 1)

# %%
dice = random.Random(seed() + 4)
invited, strangers = dice.randint(2, 3), dice.randint(1, 2)
print("invited:", invited, "strangers:", strangers)
predict("r4", "How many 101, which number for a stranger, how many text frames?", opened=..., number=..., texts=...)

# %%
guests = set()


def door(connection, request):
    if not request.path.startswith("/invited"):
        return connection.respond(401, "who are you?\n")


async def club(ws):
    guests.add(ws)
    try:
        async for text in ws:
            broadcast(guests, text)
    finally:
        guests.discard(ws)


server = await serve(club, process_request=door, name="Club")
with record(server) as recording:
    inside = [await connect(f"{server.url}/invited?name=Guest{number}") for number in range(1, invited + 1)]
    for number in range(1, strangers + 1):
        try:
            await connect(f"{server.url}/?name=Stranger{number}")
        except InvalidStatus as exc:
            refused = exc.response.status_code
    await recording.settled()
    await inside[0].send("hello")
    for ws in inside:
        await ws.recv()
    await recording.settled()
for ws in inside:
    await ws.close()

kinds = Counter(event.kind for event in recording.trace)
opened = sum(event.headline.startswith("101") for event in recording.trace)
reveal("r4", recording, opened=opened, number=refused, texts=kinds["text"])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# A stranger gets an HTTP status instead of the 101: there never is a connection. The message goes up once and comes down once for each guest,
# the sender included; to the others it is a push.
#
# </details>
#
# ## 1 Two approaches
#
# ```
# Approach A:                 Approach B:
# Simple & Direct            Complex & Scalable
#
# Client ──▶ Server          Client ──▶ Load Balancer
#                                       │
#                                       ├──▶ Server 1
#                                       ├──▶ Server 2
#                                       └──▶ Server 3
#
# Pros: Easy to understand   Pros: Handles more load
# Cons: Limited scale        Cons: More complex
# ```
#
# **What does this picture promise?** Say it in one sentence for each side. What are the lines on the right: messages or connections? By the
# end of the lesson you will have measured all four pros and cons.
#
# Our servers stand in a file, [servers/rooms.py](servers/rooms.py), because they run in processes of their own. `inspect.getsource` shows
# the piece that we use. The first server just tells its name, which its process was given at the start.
#
# **Approach A**: one process, and no load balancer before it (`policy=None`). The cell shows the server's source, then the recording.

# %%
alone = await start_cluster("servers.rooms:who", servers=1, policy=None, name="A")
print(inspect.getsource(rooms.who))
with record(alone) as a:
    async with connect(alone.url) as ws:
        await ws.send("who are you?")
        await ws.recv()
    await a.settled()
a

# %% [markdown]
# This is all there is to approach A, and you know every arrow of it. The same recording as a map:

# %%
a.map()

# %% [markdown]
# ## 2 Three servers
#
# **Approach B**: the same program in three processes. Before them stands a [load balancer](glossary.md#l-to-o), a program of its own (Caddy).
# Clients know only its address. It deals *round robin*: one, two, three, one, …
#
# Some clients connect. Then comes Ada: she opens **one** connection and asks `who are you?` five times. **Predict** which servers answer her:
# five numbers, such as `[1, 2, 3, 1, 2]`. (If Caddy, or NATS of section 4, is not installed on your computer, the cell says so, and you will see
# recordings that were made elsewhere.)

# %%
engines = available()
earlier = random.Random(seed() if engines else 1).randint(1, 5)
print("clients that connected before Ada:", earlier)
predict("p4.1", "Three servers, round robin: who answers Ada's five messages?", servers=...)

# %%
if engines:
    trio = await start_cluster("servers.rooms:who", name="B")
    others = [await connect(trio.url) for _ in range(earlier)]
    with record(trio) as five:
        async with connect(f"{trio.url}/?name=Ada") as ws:
            for _ in range(5):
                await ws.send("who are you?")
                await ws.recv()
        await five.settled()
    for ws in others:
        await ws.close()
    five = five.without("Load balancer")
else:
    five = stored("04_five")
answers = [event.text for event in five.trace if event.kind == "text" and not event.up]
reveal("p4.1", five, servers=[int(answer.removeprefix("Server ")) for answer in answers])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# One server answers all five. The balancer decided when the connection was opened (**arrow 1**), and never again: handshake and messages are *one* TCP
# connection (RFC 6455 1.2). So a balancer spreads connections, not messages, and a client that talks much stays on one server, however idle the others are.
#
# </details>
#
# (`without("Load balancer")` leaves out that each arrow passed through the balancer.) Now three clients, one question each, and the map of approach B:

# %%
if engines:
    with record(trio) as b:
        clients = [await connect(f"{trio.url}/?name={name}") for name in ("Ada", "Bob", "Cem")]
        for ws in clients:
            await ws.send("who are you?")
            await ws.recv()
        await b.settled()
    for ws in clients:
        await ws.close()
else:
    b = stored("04_three")
b.map()

# %% [markdown]
# This is the right side of the diagram, and it is true: its lines are **connections**. What is in the recording that is not in the diagram? Each
# client's connection is two TCP connections, joined by the balancer. A message on the first goes to the second, and nowhere else.
#
# **Your turn.** Exercise [4.1 Where does it land?](../exercises/04_architectures.ipynb) asks you to foresee what a balancer does. It is one of
# the harder ones; you may come back to it later.
#
# ## 3 The silent two thirds
#
# The chat room of lesson 2 once more: `broadcast` to everybody who is in the set. On one server it is right. Now it runs on three servers. The
# clients c1 to c9 connect one after the other; one of them says hello. The cell shows the room's source, and who speaks. **Predict** who hears it:
# a list of numbers. (In this room you hear yourself, too.)

# %%
print("members = set()\n\n\n" + inspect.getsource(rooms.room))
speaker = random.Random(seed() if engines else 1).randint(1, 9)
print(f"c{speaker} says hello")
predict("p4.2", "Nine clients on three servers, one says hello: who hears it?", hears=...)


# %%
async def say_hello(cluster, listeners):
    with record(cluster) as recording:
        clients = {number: await connect(f"{cluster.url}/?name=c{number}") for number in range(1, 10)}
        await clients[speaker].send("hello")
        for number in listeners:
            await clients[number].recv()
        await recording.settled()
    for ws in clients.values():
        await ws.close()
    return recording


if engines:
    divided = await start_cluster("servers.rooms:room", name="Room")
    silent = await say_hello(divided, listeners=[speaker])
    await divided.stop()
else:
    silent = stored("04_silent")
texts = [event for event in silent.without("Load balancer").trace if event.kind == "text" and not event.up]
reveal("p4.2", silent.map(), hears=sorted(int(event.target.removeprefix("c")) for event in texts))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the map shows</summary>
#
# Three of nine: those on the speaker's server. Each process has a `members` of its own, with three clients in it. Nothing raised, nobody was cut
# off; two thirds of the room are silent. With one server, as on a developer's machine, it never happens.
#
# So approach B is not only more complex. With this program it is *wrong*.
#
# </details>
#
# ## 4 A backplane
#
# The servers must tell each other. They do it over a [backplane](glossary.md#b), a program between the servers (NATS). Who *subscribes* to a
# subject gets whatever anybody *publishes* on it. Before it serves, each process awaits `join`. And the handler broadcasts no more: it publishes.

# %%
for function in (rooms.join, rooms.deliver, rooms.shared_room):
    print(inspect.getsource(function))

# %% [markdown]
# The same nine clients, the same speaker:

# %%
if engines:
    chat = await start_cluster("servers.rooms:shared_room", setup="servers.rooms:join", backplane=True, name="Chat")
    everybody = await say_hello(chat, listeners=range(1, 10))
else:
    everybody = stored("04_everybody")
everybody.map()

# %% [markdown]
# All nine hear it. One message was published, and delivered three times: to *every* server, the speaker's own included. That is why
# `shared_room` itself does not broadcast; its clients would hear everything twice.
#
# Now follow one message. Ada, Bob and Cem are connected, each to another server. Ada says hello. **Find the proof**, before you see the picture: one
# arrow takes the message out of Ada's server, towards those of Bob and Cem. Without it they would hear nothing. Which number does it have? Draw
# the way on paper, through the balancer, and count.

# %%
predict("e4.3", "Ada says hello. Which arrow takes the message out of her server?", arrow=...)

# %%
if engines:
    clients = [await connect(f"{chat.url}/?name={name}") for name in ("Ada", "Bob", "Cem")]
    with record(chat) as path:
        await clients[0].send("hello")
        for ws in clients:
            await ws.recv()
        await path.settled()
    for ws in clients:
        await ws.close()
else:
    path = stored("04_path")
published = next(row.number for row in path.rows if row.event.kind == "publish")
reveal("e4.3", path, arrow=published)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# **Arrows 1 and 2** bring the message through the balancer to Ada's server, **arrow 3** publishes it (`PUB`), **arrows 4 to 6** deliver it to the
# three servers (`MSG`), and each of them tells its own clients. The `┊` says: which server is first, nobody promises. For *one* sender on one
# connection the order is kept.
#
# NATS keeps nothing: whoever is not subscribed at this moment never gets the message (NATS documentation, *Core NATS*: at most once). What must not
# be missed needs a number and a place where it can be read again.
#
# </details>
#
# **Your turn.** Exercise [4.2 The silent two thirds](../exercises/04_architectures.ipynb) asks you to repair such a room. In *4.5 A test that catches
# a silent server* you write the test that would have found it.
#
# ## 5 Between client and server
#
# Approach B puts another program into the way, and it has rules of its own. Many proxies end a connection on which nothing happens: nginx after
# 60 seconds in which the server was silent (nginx documentation, *WebSocket proxying*). Caddy has no such time-out (Caddy documentation, *Streaming*), so here the
# recorder plays this part: `idle(0.3)` cuts every connection on which no byte crosses for 0.3 seconds.
#
# Ada and Bob both say nothing. Ada's library sends a ping every 0.1 seconds (*keepalive*); Bob has switched that off. **Predict** how each of them
# stands after half a second: `"open"`, or a close code?

# %%
predict("e4.4", "Idle time-out 0.3 s: open, or which close code?", ada=..., bob=...)


# %%
async def echo(ws):
    async for message in ws:
        await ws.send(message)


proxied = await serve(echo, name="Server", ping_interval=None)
proxied.tap.idle(0.3)
with record(proxied) as idle:
    ada = await connect(f"{proxied.url}/?name=Ada", ping_interval=0.1)
    bob = await connect(f"{proxied.url}/?name=Bob", ping_interval=None)
    await bob.wait_closed()
    await idle.settled()
    await ada.send("still there?")
    await ada.recv()
    await idle.settled()
state = ada.state.name.lower()
await ada.close()
reveal("e4.4", idle.without("Log"), ada=state, bob=bob.close_code)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# Ada was silent even longer than Bob, but her pings were bytes on the wire. (Keepalive pings are left out of our pictures.) Bob's connection was cut
# (**arrow 5**): no close frame came, so his own side reports **1006**.
#
# By default the library pings every 20 seconds (websockets documentation, *Keepalive and latency*), clearly more often than once in 60. A time-out and
# an interval of the same length would race each other.
#
# </details>
#
# ## 6 A fourth server
#
# The room gets fuller, and a server is added. Later one is to be taken away for repair: it is *drained*, which means that it keeps its connections and
# gets no new ones. (It answers the balancer's health checks with 503.) After each change **all** clients ask `who are you?`, so that we see how many
# connections each server holds.
#
# **Predict** these numbers, four for each moment, such as `[4, 3, 3, 2]`: when server 4 was `added`, when four `more` clients have connected, and, with
# server 2 draining, when another three have connected (`at_the_end`).

# %%
first = random.Random(seed() if engines else 1).choice([3, 6, 9])
print("clients before the change:", first)
predict("p4.3", "How many connections does each of the four servers hold?", added=..., more=..., at_the_end=...)


# %%
async def grow_and_shrink():
    cluster = await start_cluster("servers.rooms:who", name="Growing")
    clients = []

    async def all_ask(newcomers=0):
        for _ in range(newcomers):
            clients.append(await connect(cluster.url))
        for ws in clients:
            await ws.send("who are you?")
            await ws.recv()
        await recording.settled()

    with record(cluster) as recording:
        await all_ask(newcomers=first)
        await cluster.add()
        await all_ask()
        await all_ask(newcomers=4)
        await cluster.servers[1].drain()
        await all_ask()
        await all_ask(newcomers=3)
    await cluster.stop()
    return recording.without("Load balancer")


growing = await grow_and_shrink() if engines else stored("04_growing")

# %%
answers = [event for event in growing.trace if event.kind == "text" and not event.up]
count = Counter((event.step, event.text) for event in answers)
held = [[count[step, f"Server {number}"] for number in (1, 2, 3, 4)] for step in range(5)]
moments = [f"{first} clients", "server 4 is added", "4 more clients", "server 2 drains", "3 more clients"]
rows = [[moment, *numbers] for moment, numbers in zip(moments, held, strict=True)]
columns = ["", "server 1", "server 2", "server 3", "server 4"]
picture = charts.table(rows, columns, title=growing.title or "Connections stay where they are")
reveal("p4.3", picture, added=held[1], more=held[2], at_the_end=held[4])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the table shows</summary>
#
# Not one connection has moved. The new server stands idle until *new* clients come, and a drained one is empty only when its last client has left. With
# connections that last for hours, help for a server that is overloaded now comes too late.
#
# The four newcomers went to 1, 2, 3 and 4, one each. With the policy `least_conn` a balancer gives a newcomer to whoever holds the fewest (Caddy
# documentation, *Load balancing*); then it is the new server that fills up first.
#
# </details>
#
# ## 7 The end of a server
#
# Ada is on server 1, Bob on server 2, Cem on server 3. Server 1 is **stopped**: it closes its connections and ends. Server 2 is **killed**: the process is
# gone at once, as in a crash. **Predict** what each of them sees: a close code, or `"open"`.

# %%
predict("p4.4", "Server 1 stopped, server 2 killed: a close code, or open?", ada=..., bob=..., cem=...)

# %%
if engines:
    mortal = await start_cluster("servers.rooms:who", name="Mortal")
    one, two, _ = mortal.servers
    with record(mortal) as ends:
        ada, bob, cem = [await connect(f"{mortal.url}/?name={name}") for name in ("Ada", "Bob", "Cem")]
        await ends.settled()
        await one.stop()
        await ada.wait_closed()
        await ends.settled()
        two.kill()
        await bob.wait_closed()
        await ends.settled()
        await cem.send("who are you?")
        await cem.recv()
        await ends.settled()
    await mortal.stop()
    ends = ends.without("Load balancer")
else:
    ends = stored("04_ends")


# %%
def seen_by(name):
    events = ends.only(name).trace.events
    goodbye = [event.code for event in events if event.kind == "close" and not event.up]
    cut = any(event.kind == "end" for event in events)
    return goodbye[0] if goodbye else 1006 if cut else "open"


reveal("p4.4", ends, ada=seen_by("Ada"), bob=seen_by("Bob"), cem=seen_by("Cem"))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# Ada is told (**arrow 7**): close code 1001, *going away* (RFC 6455 7.4.1). Bob is told nothing; TCP ends (**arrow 10**), and his own side reports 1006.
# Cem notices neither.
#
# For Ada's program this is the more dangerous end of the two: `async for` *raises* on 1006, and ends quietly on 1001, as if all were said. Lesson 7
# shows the whole table. Either way, to come back is the client's business.
#
# </details>
#
# ## 8 Coming back
#
# When a server ends, all its clients lose their connections in the same moment. What do they do next? Two kinds of clients. The obvious one tries again
# every 0.1 seconds. The other is politer. Its delays *grow*, because a server that is not back yet will not be back sooner if it is asked more often:
# **backoff**. And each delay is drawn by lot, between 0 and that: **[jitter](glossary.md#b)**. (`yield` hands the delays to a `for` loop, one by one;
# `itertools.count()` counts 0, 1, 2, … without end.)


# %%
def every_tenth():
    while True:
        yield 0.1


def backoff_with_jitter(base=0.1, cap=1.0):
    for number in itertools.count():
        yield random.random() * min(cap, base * 2**number)


async def come_back(url, delays, attempts):
    for delay in delays:
        await asyncio.sleep(delay)
        attempts.append(time.perf_counter())
        try:
            async with connect(url):
                return
        except InvalidStatus:
            pass


# %% [markdown]
# Forty clients of each kind; the server will serve again after 0.5 seconds, and until then whoever comes is refused with 503. What do you expect, if the
# attempts are counted in steps of 0.05 seconds? Sketch both pictures, then run the cell.


# %%
async def storm(delays):
    attempts = []

    def not_yet(connection, request):
        if time.perf_counter() < ended + 0.5:
            return connection.respond(503, "not yet\n")

    server = await serve(echo, process_request=not_yet, name="Back soon", tap=False)
    ended = time.perf_counter()
    await asyncio.gather(*(come_back(server.url, delays(), attempts) for _ in range(40)))
    await server.stop()
    return [attempt - ended for attempt in attempts]


storms = {"every 0.1 s": await storm(every_tenth), "backoff with jitter": await storm(backoff_with_jitter)}
charts.histogram(storms, title="Attempts of forty clients after they were cut off", unit="s", width=0.05)

# %% [markdown]
# Above, forty clients stand at the door *in the same moment*, 0.1 seconds after the end, and each wave of refused clients comes back as a wave. A server that
# has just started gets everybody at once. Below, the lot has spread them. RFC 6455 7.2.3 asks for both: a random first delay, and longer ones after that.
#
# **Your turn.** Coming back is more than connecting: subscriptions are gone, and messages were missed meanwhile. Exercise [4.4 Coming back](../exercises/04_architectures.ipynb)
# builds the whole client.
#
# ## 9 Handles more load?
#
# The diagram says that B *handles more load*. Measure it, with work that keeps a processor busy (`rooms.work`, printed below). It never awaits, so
# while one process calculates for one client, all its other clients wait.
#
# Six clients ask and await the answer, over and over, for 0.6 seconds: first on A, then on B with one server, two, and three. How should the number of
# answers grow, if each server had a processor of its own? The line *calculated* is what B would answer if each were as fast as the first one alone.

# %%
single = await start_cluster("servers.rooms:work", servers=1, policy=None, name="A at work")
load = {"A": await measure(single.url, clients=6, seconds=0.6, message="50000")}
if engines:
    many = await start_cluster("servers.rooms:work", servers=1, name="B at work")
    for servers in (1, 2, 3):
        if servers > 1:
            await many.add()
        load[f"B × {servers}"] = await measure(many.url, clients=6, seconds=0.6, message="50000")
    await many.stop()
await single.stop()
answered = {name: found.per_second for name, found in load.items()}
curves = {"A": [(1, answered["A"])]}
if engines:
    curves["B"] = [(servers, answered[f"B × {servers}"]) for servers in (1, 2, 3)]
    curves["calculated"] = [(servers, servers * curves["B"][0][1]) for servers in (1, 2, 3)]
print(inspect.getsource(rooms.work))
charts.lines(curves, title="The same work on more servers", x="servers", y="answers per second")

# %% [markdown]
# And how long did each answer take? *p99* is the time that 99 of 100 answers did not exceed.

# %%
latencies = {name: [1000 * each for each in found.latencies_s] for name, found in load.items()}
charts.spread(latencies, title="How long an answer took while six clients asked")

# %%
if engines:
    ratio = answered["B × 3"] / answered["A"]
    verdict = "B handles more load here" if ratio > 1.3 else "B gains little here"
else:
    ratio, verdict = 0, "not measured"
rows = [["processors", os.cpu_count()], ["answers, B × 3 to A", f"{ratio:.1f}"], ["so", verdict]]
charts.table(rows, ["", "on this computer"], title="Does B handle more load?", exact=False)

# %% [markdown]
# *Handles more load* is a promise about processors. Here everything runs on **one** computer: servers, balancer, clients and this notebook. As far as it
# has processors to spare, the measured line follows the calculated one. Where it has none, three processes share what one had: the line stays flat, and
# each message has a longer way besides. More servers help when they bring processors of their own. A cannot use more than one for its handlers: that is
# its *limited scale*.
#
# ## 10 More complex?
#
# Count this, too: the nine clients of section 4, and for comparison the same nine on one server. How many programs are there? If one of them ends, how many clients
# have a connection that passes through it? And how many messages cross the wire because of one hello?


# %%
def complexity(recording):
    nine = {f"c{number}" for number in range(1, 10)}
    through = {}
    for event in recording.trace:
        for program in {event.source, event.target} - nine:
            through.setdefault(program, set()).update(nine & {event.connection})
    messages = sum(event.kind in ("text", "publish", "deliver") for event in recording.trace)
    cut_off = Counter(len(clients) for clients in through.values())
    return len(through), cut_off[9], cut_off[3], cut_off[0], messages


simple = await say_hello(await serve(rooms.room, name="Server"), listeners=range(1, 10))
counted = ["programs", "... whose end cuts off all", "... a third", "... nobody", "messages for one hello"]
rows = list(zip(counted, complexity(simple), complexity(everybody), strict=True))
charts.table(rows, ["", "A", "B"], title=everybody.title or "More complex, counted")

# %% [markdown]
# The balancer is still *one* program whose end cuts off everybody. The end of a server now costs a third, not all: a pro that the diagram does not mention. And
# there is a program whose end cuts off nobody: the backplane. No harm, then? Ada, Bob and Cem are connected; the backplane is killed; Ada says hello. **Predict** how
# many of the three are cut off, and how many hear her.

# %%
predict("e4.7", "The backplane is killed, Ada says hello. How many of the three?", cut_off=..., hear=...)

# %%
if engines:
    clients = [await connect(f"{chat.url}/?name={name}") for name in ("Ada", "Bob", "Cem")]
    with record(chat) as dead:
        chat.backplane.kill()
        while chat.backplane.running:
            await asyncio.sleep(0.01)
        await dead.settled()
        await clients[0].send("hello")
        await dead.settled()
    for ws in clients:
        await ws.close()
    await chat.backplane.restart()
    dead = dead.without("Load balancer", "Backplane")
else:
    dead = stored("04_dead")
ended = {event.connection for event in dead.trace if event.kind == "end"} & {"Ada", "Bob", "Cem"}
heard = sum(event.kind == "text" and not event.up for event in dead.trace)
reveal("e4.7", dead, cut_off=len(ended), hear=heard)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# One arrow, and then nothing. Nobody is cut off, nobody hears anything, not even Ada herself; there is no error message and no close code. This is what
# *more complex* means: not that there is more to install, but that there are failures which A does not have, and which nobody reports. They are found by who
# sends a message and waits for it to come back.
#
# </details>
#
# ## 11 Connections are not load
#
# *Limited scale*: how limited is A? One server in this notebook, without compression and keepalive; and a client that measures how long an answer
# takes. First nobody else is there. Then 10,000 clients connect and say nothing, and the same is measured beside them. At last one broadcast goes to
# all. (The recorder of the other lessons passes every byte on, as a proxy does. Here that would be a second server beside the first. With `hook=True`
# the server's own connections write down what crosses, the first KiB of each frame.)
#
# **Predict** after how many seconds the *last* of the 10,000 has it. (The clients are in a process of their own. A program may open only so many files, and
# a connection counts as one: where the limit is lower there are fewer clients, and the table below says so.)

# %%
predict("e4.8", "A broadcast to 10,000 clients: after how many seconds has the last one got it?", seconds=...)


# %%
async def answer_times(url):
    times = []
    async with connect(url) as ws:
        for _ in range(200):
            began = time.perf_counter()
            await ws.send("hello")
            await ws.recv()
            times.append(1000 * (time.perf_counter() - began))
    return times


big = await serve(echo, name="A", hook=True, compression=None, ping_interval=None)
times = {"alone": await answer_times(big.url)}
with record(big) as everything:
    crowd = await open_idle(big.url, 10_000)
    times["beside the idle ones"] = await answer_times(big.url)
    delays = await crowd.broadcast(lambda: broadcast(big.connections, "news"))
    await crowd.close()
    await everything.settled()
picture = charts.histogram({"clients": delays}, title="When the clients had the broadcast", unit="s", width=0.05)
reveal("e4.8", picture, seconds=delays[-1])

# %%
grown, each = crowd.memory_bytes / 1e6, crowd.memory_bytes / 1e3 / crowd.opened
rows = [
    ["connections wanted", f"{crowd.wanted:,}"],
    ["connections open", f"{crowd.opened:,}"],
    ["why fewer", crowd.note.partition(": ")[2] or "not fewer"],
    ["time to open all", f"{crowd.seconds:.1f} s"],
    ["memory", f"{grown:.0f} MB, {each:.0f} kB each" if each >= 1 else "what an earlier run has taken is used again"],
    ["a process with a server", f"{alone.servers[0].memory_bytes / 1e6:.0f} MB"],
]
idle_table = charts.table(rows, ["", "on this computer"], title="Idle connections on one server", exact=False)
display(idle_table, charts.spread(times, title="How long an answer takes, alone and beside idle connections"))

# %% [markdown]
# Compare the two rows of the chart: does the usual answer, the *median*, take longer beside thousands of idle connections? They cost memory (the table says by how
# much this notebook has grown, its recording included), but no code runs for them. **Connections are not load; messages are.** A broadcast is as many messages as there are
# clients, so *it* takes its time, and meanwhile the loop does nothing else.
#
# Every one of these connections was recorded. One of them, by its number:

# %%
everything.only("Client 77")

# %% [markdown]
# **Arrow 3** is the broadcast: the same frame for everybody, and all that ever happened here between the opening and the end.
#
# So begin with A, and measure. Take B when the *work* asks for more processors, or when the end of one server must not be the end for everybody.
#
# `broadcast` waits for nobody. What happens if one of the many reads slowly, or not at all, you find out in exercise
# [4.3 The slow reader](../exercises/04_architectures.ipynb).
#
# ## The diagram from memory
#
# Without scrolling up: Ada, Bob and Cem are on servers 1, 2 and 3, with a backplane behind them. Ada says hello, all three hear it. Write down all arrows, but leave
# out the balancer: `"Ada -> Server 1: TEXT"`; on the way to the backplane it is `PUB`, on the way back `MSG`.

# %%
predict("m4", "All arrows of one hello over the backplane, without the balancer, from memory.", arrows=...)

# %%
reveal("m4", path.without("Load balancer"))

# %% [markdown]
# ## Exercises
#
# [Exercises 4](../exercises/04_architectures.ipynb): **4.2 The silent two thirds** (★★, 25 minutes). *Going further*, when you like: **4.1 Where does it
# land?** (★★★), **4.3 The slow reader** (★★★), **4.4 Coming back** (★★★) and **4.5 A test that catches a silent server** (★★).
#
# ## You have now seen
#
# - approaches A and B, drawn by real traffic, and that a balancer decides once per connection;
# - a chat room that is silent for two thirds of its members, and the backplane that repairs it;
# - that no connection moves when a server is added or drained, and that only its own clients lose a server: with 1001 if it is stopped, with 1006 if not;
# - that an idle connection wants pings, and that clients should come back with backoff and jitter;
# - what B gains and costs: processors, five programs, a failure that nobody reports;
# - 10,000 connections on A: connections are not load.
#
# **Next:** the exercises, then [lesson 5](05_data_format.ipynb): header and body.
#
# ## Further reading
#
# - RFC 6455, section 7.2.3 (recovering from abnormal closure), 7.4.1 (close codes);
# - websockets documentation: *Keepalive and latency*, *Broadcasting messages*;
# - Caddy documentation: `reverse_proxy`, *Load balancing* and *Streaming*; nginx documentation: *WebSocket proxying*;
# - NATS documentation: *Core NATS*;
# - words: [glossary](glossary.md) · all on one page: [cheat sheet](cheat_sheet.md)
#
# Last of all: stop everything.

# %%
for running in [*running_servers(), *running_clusters()]:
    await running.stop()
assert running_servers() == [] and running_clusters() == []
