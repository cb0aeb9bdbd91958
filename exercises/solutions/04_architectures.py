# %% [markdown]
# # Exercises 4: one server, or three behind a load balancer
#
# Five exercises: 4.2 takes about 25 minutes; 4.1, 4.3, 4.4 and 4.5, marked *Going further*, about 135 minutes more. You need lesson 4,
# [One server, or three behind a load balancer](../notebooks/04_architectures.ipynb).
#
# Change the cell that holds the function or the class, run it, then run the check below it. Work cell by cell: *Run All* stops at the
# first exercise that is not solved yet. `hint("4.1")` gives a hint; there are three for each exercise.

# %%
import asyncio
import contextlib
import inspect
import json
import random
import uuid

from websockets import ConnectionClosed, InvalidHandshake, InvalidStatus, broadcast, connect

from wslab import check, hint

# %% [markdown]
# ## 4.1 Where does it land?
#
# ★★★ · computed prediction · about 25 minutes · *Going further*
#
# A load balancer stands before `n` servers, which have the numbers `0` to `n - 1`. You are told what happens, one event after the other, and
# you say which server it meets:
#
# | event | what happens | your answer |
# |---|---|---|
# | `("open", "ada")` | the client `ada` opens a connection | the server where it lands |
# | `("msg", "ada")` | `ada` sends a message on her connection | the server that receives it |
# | `("close", "ada")` | `ada` closes her connection | is not looked at, for example `None` |
# | `("down", 1)` | server 1 goes down, and its connections end | is not looked at, for example `None` |
#
# The balancer chooses by its `policy`, always among the servers that are up:
#
# - `"round_robin"`: in turn. It begins with server 0 and goes on after the one that it chose last, past those that are down.
# - `"least_conn"`: the server with the fewest **open** connections; of several, the one with the lowest number.
#
# If no server is up, the answer is `None`. A connection that was lost with its server is gone: its messages get `None`, until the client
# opens again. A server that is down stays down.
#
# For example `where([("open", "ada"), ("open", "bob"), ("msg", "ada")], "round_robin", 3)` is `[0, 1, 0]`.
#
# What the check looks at: your list beside what a balancer, servers and clients really did, for eight lists of events that it makes up.


# %% answer="4.1"
def where(events, policy, n):
    # BEGIN SOLUTION
    home = {}  # the server of each open connection
    down = set()
    last = -1  # the server that was chosen last
    answer = []
    for kind, who in events:
        if kind == "open":
            turn = [(last + step) % n for step in range(1, n + 1)]  # round robin: first the one after the last
            if policy == "least_conn":
                turn = sorted(range(n), key=list(home.values()).count)  # equal ones stay in the order of their numbers
            up = [server for server in turn if server not in down]
            if up:
                home[who] = last = up[0]  # decided here, once: a message never changes it
        elif kind == "close":
            del home[who]
        elif kind == "down":
            down.add(who)
            home = {client: server for client, server in home.items() if server != who}
        answer.append(home.get(who))
    return answer
    # END SOLUTION
    # BEGIN STUB
    # home = {}  # the server of each open connection
    # answer = []
    # for kind, who in events:
    #     ...
    #     answer.append(home.get(who))
    # return answer
    # END STUB


# %% check="4.1"
check("4.1", where)

# %% [markdown]
# ## 4.2 The silent two thirds
#
# ★★ · fix the bug · about 25 minutes
#
# The class below is a chat server: what one client says, all clients hear. It was written for one server. Now it runs **three times** behind
# a load balancer, in three processes, and two thirds of the clients hear nothing, because `self.clients` holds the clients of one server only.
# (`self` is the object itself, one for each server: what one method puts into `self`, the others find there.)
#
# Repair it with the backplane. Each server is started with `await chat.start(backplane)`, before its first client comes. `backplane` is its
# connection to NATS, and can do what it did in the lesson:
#
# - `await backplane.publish("chat", b"...")` publishes bytes on a subject. All who subscribed to this subject get them, **also the server
#   itself**, if it subscribed.
# - `subscription = await backplane.subscribe("chat", cb=self.deliver)` calls the coroutine function `deliver(message)` for everything that is
#   published on this subject from now on, one after the other. `message.data` are the bytes.
# - `await subscription.unsubscribe()` ends that.
#
# From a text to bytes and back: `message.encode()` and `message.data.decode()`.
#
# - A message reaches every client of every server **exactly once**, its sender included, as a text.
# - The messages of one sender keep their order.
# - A server that is started later takes part, too.
# - `await chat.stop()` ends the subscription.
#
# What the check looks at: nine clients on three servers; a client that comes while a message is being sent, and one whose connection
# ends just then.


# %% answer="4.2"
class ChatServer:
    # BEGIN SOLUTION
    def __init__(self):
        self.clients = set()

    async def start(self, backplane):
        self.backplane = backplane
        self.subscription = await backplane.subscribe("chat", cb=self.deliver)

    async def handler(self, ws):
        self.clients.add(ws)  # 1 accept
        try:
            async for message in ws:  # 2 read
                await self.backplane.publish("chat", message.encode())  # 3 decide: it is for all servers
        finally:
            self.clients.discard(ws)  # 5 clean up

    async def deliver(self, message):
        broadcast(self.clients, message.data.decode())  # 4 answer: each server tells its own clients

    async def stop(self):
        await self.subscription.unsubscribe()

    # END SOLUTION
    # BEGIN STUB
    # def __init__(self):
    #     self.clients = set()

    # async def start(self, backplane):
    #     self.backplane = backplane

    # async def handler(self, ws):
    #     self.clients.add(ws)  # 1 accept
    #     try:
    #         async for message in ws:  # 2 read
    #             broadcast(self.clients, message)  # 4 answer
    #     finally:
    #         self.clients.discard(ws)  # 5 clean up

    # async def stop(self):
    #     pass
    # END STUB


# %% check="4.2"
check("4.2", ChatServer)

# %% [markdown]
# ## 4.3 The slow reader
#
# ★★★ · build · about 40 minutes · *Going further*
#
# A server sends the same news to all its clients, and one of them reads too slowly, or not at all. If the server waits for it, everybody
# waits. If it does not wait, the news pile up in its memory: for one such client 20 MB in a few seconds. Write a hub that does neither.
#
# - `Hub(limit=64)` makes a hub. `await hub.handler(ws)` serves one client until it leaves.
# - `hub.publish(message)` is a plain function. It hands a text to every client and **never waits**.
# - Each client has a **queue** of its own for at most `limit` messages, and a **writer**, a task that takes one message after the other out of
#   it and sends it. So a slow client only fills its own queue.
# - A client whose queue is full when the next message comes is **evicted**: it leaves the hub at once, and its connection is closed with 1013 and
#   the reason `too slow`. `hub.evicted` counts these clients.
# - `ws.close(...)` waits for the client, and this one does not read. Wait for it a second at most, then end the connection with
#   `ws.transport.abort()`. Such a client sees 1006 instead of 1013.
# - Who has left, leaves nothing behind: no queue, no task.
#
# Tools: `queue = asyncio.Queue(limit)`; `queue.put_nowait(message)` never waits, and raises `asyncio.QueueFull`; `await queue.get()`.
# `await asyncio.wait_for(..., 1)` raises `TimeoutError` after one second. The clients send nothing: `await ws.wait_closed()` is enough
# to stay until the end. Keep a reference to every task that you start, in a set for example, or it may vanish.
#
# What the check looks at: 400 messages of 50 kB for a client that reads everything and one that reads nothing; what `publish` takes, what waits
# on the server, how the slow one ends, and what is left at the end.


# %% answer="4.3"
class Hub:
    # BEGIN SOLUTION
    def __init__(self, limit=64):
        self.limit = limit
        self.evicted = 0
        self.queues = {}  # the queue of each client
        self.evictions = set()

    async def handler(self, ws):
        queue = self.queues[ws] = asyncio.Queue(self.limit)  # 1 accept
        writer = asyncio.create_task(self.write(ws, queue))
        try:
            await ws.wait_closed()  # 2 read: nothing but the end
        finally:
            self.queues.pop(ws, None)  # 5 clean up
            writer.cancel()

    async def write(self, ws, queue):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await ws.send(await queue.get())  # 4 answer: only this task waits for this client

    def publish(self, message):
        for ws, queue in list(self.queues.items()):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:  # 3 decide: it is too slow
                del self.queues[ws]
                self.evicted += 1
                task = asyncio.create_task(self.evict(ws))
                self.evictions.add(task)
                task.add_done_callback(self.evictions.discard)

    async def evict(self, ws):
        try:
            await asyncio.wait_for(ws.close(1013, "too slow"), 1)
        except TimeoutError:
            ws.transport.abort()  # the close frame waits behind all that the client does not read

    # END SOLUTION
    # BEGIN STUB
    # def __init__(self, limit=64):
    #     self.evicted = 0
    #     ...

    # async def handler(self, ws):
    #     ...

    # def publish(self, message):
    #     ...
    # END STUB


# %% check="4.3"
check("4.3", Hub)

# %% [markdown]
# ## 4.4 Coming back
#
# ★★★ · build · about 45 minutes · *Going further*
#
# Connections end: a server is deployed anew, a phone drives through a tunnel. Write a client that comes back and misses nothing:
# `await follow(url, topics, on_event, stop=stop)`.
#
# The server keeps a log of events, with numbers 1, 2, 3, …
#
# | message | |
# |---|---|
# | you: `{"type": "subscribe", "topics": [...], "after": 7}` | send me these topics, and first what came after event 7 (`0` in the beginning) |
# | server: `{"type": "subscribed", ...}` | may come once you have subscribed |
# | server: `{"type": "event", "seq": 8, ...}` | an event; after a break some of those that you have had may come again |
#
# - **Events.** `on_event` is called with each event, the whole dictionary: once for each `seq`, in order, none left out. It may be a plain
#   function or a coroutine function: `result = on_event(message)`, then `if inspect.isawaitable(result): await result`, before the next one.
# - **Coming back.** However the connection ends, and also if none comes about (`OSError`, `InvalidHandshake`), wait and connect again. A new connection
#   knows nothing of the old one: subscribe on each.
# - **Waiting.** `delays(rng, base=0.1, cap=5.0)` is a generator as in section 8 of the lesson. Its delays are `rng()` times 0.1, 0.2, 0.4, … seconds, never more than `rng()` times
#   `cap`. You wait with `await sleep(seconds)`, and `rng` and `sleep` are given to you: so a test can hold the clock.
# - **Beginning anew.** After a connection that worked, the next delay is the first one again. A handshake is no proof that it works: an event is, or `subscribed`.
# - **Stopping.** HTTP status 401 and 403 and close codes 4401 and 4403 say that your token is refused. To ask again with the same token is no use: `follow`
#   returns. It also returns as soon as `stop`, an `asyncio.Event`, is set, whatever it waits for at this moment.
#
# After the end of a connection, `ws.close_code` is its close code. `asyncio.wait([one, other], return_when=asyncio.FIRST_COMPLETED)` waits for the first
# of two tasks.
#
# What the check looks at: 30 events and three breaks; 100 clients that are cut off together; servers that accept and close, are not there, or
# refuse; `stop` at bad moments.


# %% answer="4.4"
# BEGIN SOLUTION
def delays(rng, base=0.1, cap=5.0):
    longest = min(base, cap)
    while True:
        yield rng() * longest
        longest = min(2 * longest, cap)


async def follow(url, topics, on_event, *, stop, sleep=asyncio.sleep, rng=random.random):
    coming_back = asyncio.create_task(come_back(url, topics, on_event, sleep, rng))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([coming_back, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (coming_back, stopping):  # 5 clean up: whichever still waits
            task.cancel()
        await asyncio.wait([coming_back, stopping])
    if not coming_back.cancelled():
        coming_back.result()  # so that its exception is seen, if it had one


async def come_back(url, topics, on_event, sleep, rng):
    last, waits = 0, delays(rng)
    while True:
        ws = None
        try:
            async with connect(url, close_timeout=0.5) as ws:  # 1 accept
                await ws.send(json.dumps({"type": "subscribe", "topics": topics, "after": last}))
                async for text in ws:  # 2 read
                    message = json.loads(text)
                    if message["type"] in ("event", "subscribed"):
                        waits = delays(rng)  # it works: the next wait is a short one
                    if message["type"] == "event" and message["seq"] > last:  # 3 decide: is it new?
                        last = message["seq"]
                        result = on_event(message)
                        if inspect.isawaitable(result):
                            await result
        except InvalidStatus as exc:
            if exc.response.status_code in (401, 403):
                return
        except (OSError, InvalidHandshake, ConnectionClosed):
            pass
        if ws is not None and ws.close_code in (4401, 4403):
            return
        await sleep(next(waits))


# END SOLUTION
# BEGIN STUB
# def delays(rng, base=0.1, cap=5.0):
#     ...


# async def follow(url, topics, on_event, *, stop, sleep=asyncio.sleep, rng=random.random):
#     ...
# END STUB


# %% check="4.4"
check("4.4", follow, delays)

# %% [markdown]
# ## 4.5 A test that catches a silent server
#
# ★★ · build · about 25 minutes · *Going further*
#
# In section 3 of the lesson two thirds of the clients heard nothing, and no server complained. Now **you** write the test that notices:
# `broadcast_test(urls)` gets the addresses of three servers, connects to them as a client, and judges them. If they are wrong, your test raises
# `AssertionError`, as `assert` does: `assert price == 3, "wrong price"` goes on quietly if the price is 3, else it raises `AssertionError`. If they
# are right, your test ends quietly.
#
# - **Right** servers work together: what one client says, as a text, at any of the three, every client hears at all three, the speaker included. They may
#   greet a new client. They may be slow, but a message takes half a second at most. They may wrap it in JSON: your text stands
#   somewhere in what they send. They may send other messages, too. They keep the connections open.
# - **Wrong** servers keep something to themselves: there is a server where not everything is heard, or one where something can be said and is not heard at the
#   others.
#
# `await asyncio.wait_for(ws.recv(), 1)` raises `TimeoutError` after a second without a message. Mind that `TimeoutError` is no `AssertionError`.
#
# Your test is tested on thirteen groups of servers, five right and eight wrong. The score is the share of right groups that it accepts times the share of wrong
# ones that it rejects: whoever always says the same has 0. 100 passes.
#
# What the check looks at: which servers your test accepts, and which it rejects.


# %% answer="4.5"
async def broadcast_test(urls):
    # BEGIN SOLUTION
    clients = []
    try:
        for url in urls:
            clients.append(await connect(url))  # 1 a listener at each server
        for speaker in clients:  # 2 speak at each
            word = uuid.uuid4().hex  # 3 something that nobody says by chance
            await speaker.send(word)
            for client in clients:
                await hears(client, word)
    finally:
        for client in clients:  # 5 clean up
            await client.close()


async def hears(client, word):
    try:
        while word not in await asyncio.wait_for(client.recv(), 1):  # 4 greetings and news go by
            pass
    except TimeoutError:
        raise AssertionError(f"{word} was not heard by everybody") from None
    # END SOLUTION


# %% check="4.5"
check("4.5", broadcast_test)

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 4` in a terminal: your work is kept
# as a backup beside it.
