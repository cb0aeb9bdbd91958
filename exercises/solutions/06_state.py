# %% [markdown]
# # Exercises 6: stateless and stateful
#
# Three exercises: 6.1 takes about 15 minutes; 6.2 and 6.3, marked *Going further*, about 65 minutes more. You need lesson 6,
# [Stateless and stateful](../notebooks/06_state.ipynb).
#
# Change the cell that holds the function, run it, then run the check below it. Work cell by cell: *Run All* stops at the first
# exercise that is not solved yet. `hint("6.1")` gives a hint; there are three for each exercise.

# %%
import asyncio
import contextlib
import json
import random
import secrets
import time

from websockets import ConnectionClosed, broadcast

from wslab import check, hint

# %% [markdown]
# ## 6.1 What survives?
#
# ★ · classification · about 15 minutes
#
# A server in a process of its own keeps something about its client in eight places:
#
# | name | where it is |
# |---|---|
# | `"cart"` | a local variable of the handler: `cart = []` in `async def handler(ws)` |
# | `"counter"` | a variable of the module: `counter = 0` at the top of the file |
# | `"subprotocol"` | `ws.subprotocol`: the format that was agreed in the handshake (lesson 5) |
# | `"token"` | a text that the server *signed* (section 3 of the lesson). The client has it and sends it along. The key is given to every server process |
# | `"row"` | a row of a database file |
# | `"contextvar"` | `visitor.set(name)` in the handler, where `visitor = contextvars.ContextVar("visitor")`: like a global variable, but each handler, which runs as a task of its own, has its own value |
# | `"clients"` | an entry of a dictionary of the module: `clients[name] = ws`, good for sending something to this client |
# | `"last_sequence"` | the number of the last message that the *client* received; the client keeps it in a variable |
#
# Then two things happen, one after the other:
#
# - `"socket_lost"`: the connection is cut. The client connects again, and offers another format than before.
# - `"process_lost"`: the process is killed, and with it every connection. A new one is started, and the client connects again.
#
# Write for each name a **set** of the losses that it survives: one of `{"socket_lost", "process_lost"}`, `{"socket_lost"}`, `{"process_lost"}`,
# and `set()`, the empty set. To survive means: the server can still use it as before.
#
# What the check looks at: it fills all eight places of a real server, cuts its connection, kills its process, and compares what can be read
# before and after with what you said.


# %% answer="6.1"
def survives():
    # BEGIN SOLUTION
    everything = {"socket_lost", "process_lost"}
    return {
        "cart": set(),  # one call of the handler
        "counter": {"socket_lost"},  # the process
        "subprotocol": set(),  # the connection
        "token": everything,  # the client has it, and any process has the key
        "row": everything,  # a file
        "contextvar": set(),  # one task, and that runs one call of the handler
        "clients": set(),  # the entry stays, but it leads to a closed connection
        "last_sequence": everything,  # the client
    }
    # END SOLUTION
    # BEGIN STUB
    # return {
    #     "cart": {...},
    #     "counter": {...},
    #     "subprotocol": {...},
    #     "token": {...},
    #     "row": {...},
    #     "contextvar": {...},
    #     "clients": {...},
    #     "last_sequence": {...},
    # }
    # END STUB


# %% check="6.1"
check("6.1", survives)

# %% [markdown]
# ## 6.2 Ghosts
#
# ★★ · fix the bug · about 25 minutes · *Going further*
#
# Below is a server that knows who is online. A client sends its name first, and then it stays. The class has five bugs, one of them in a line that somebody
# added because "phones were thrown out". Repair it.
#
# - `online()` returns a set with the names of all users who are online. A user may have several connections, for example two tabs of a browser, and is online
#   while **at least one** of them is open.
# - When a user comes online, all connections of the *other* users are sent `{"type": "join", "user": "ada"}`, once. When a user goes offline, they are sent
#   `{"type": "leave", "user": "ada"}`, once. A second tab is no news.
# - All this holds however a connection ends: closed, cut, ended with an error code, or silent for ever. Your handler ends then, without an exception.
# - Two objects of the class are two servers. They know nothing of each other.
#
# What comes after the name is read and not used. Keepalive is switched on by whoever starts the server. `broadcast(connections, text)` sends to all connections
# that are open, skips the others, and needs no `await`.
#
# What the check looks at: users who leave in five ways, two at the same moment; two tabs, either of which is closed first; two servers; what another user is told.


# %% answer="6.2"
class Presence:
    # BEGIN SOLUTION
    def __init__(self):
        self.tabs = {}  # the open connections of each user who is online

    async def handler(self, ws):
        try:
            user = await ws.recv()  # 1 accept
        except ConnectionClosed:
            return
        if user not in self.tabs:
            self.tell("join", user)
        self.tabs.setdefault(user, set()).add(ws)
        try:
            async for _ in ws:  # 2 read
                pass
        except ConnectionClosed:
            pass
        finally:
            self.tabs[user].discard(ws)  # 5 clean up: this connection, and the user with the last one
            if not self.tabs[user]:
                del self.tabs[user]
                self.tell("leave", user)

    def online(self):
        return set(self.tabs)

    def tell(self, kind, user):
        others = [ws for tabs in self.tabs.values() for ws in tabs]  # the user is not among them: not yet, or no more
        broadcast(others, json.dumps({"type": kind, "user": user}))

    # END SOLUTION
    # BEGIN STUB
    # def __init__(self, connections={}):
    #     self.connections = connections  # by user

    # async def handler(self, ws):
    #     ws.ping_timeout = None  # phones in tunnels were thrown out
    #     user = await ws.recv()  # 1 accept
    #     await self.tell("join", user)
    #     self.connections[user] = ws
    #     async for _ in ws:  # 2 read
    #         pass
    #     await self.tell("leave", user)  # 5 clean up
    #     del self.connections[user]

    # def online(self):
    #     return set(self.connections)

    # async def tell(self, kind, user):
    #     for ws in self.connections.values():
    #         await ws.send(json.dumps({"type": kind, "user": user}))
    # END STUB


# %% check="6.2"
check("6.2", Presence)

# %% [markdown]
# ## 6.3 Save, retrieve, update
#
# ★★★ · build · about 40 minutes · *Going further*
#
# Write a shop that any number of servers can run together: a class `Sessions` over a store that all of them share, and `cart_handler(ws, sessions)`.
#
# The store is given to you. It keeps values (dictionaries, lists, texts, numbers) with a version each:
#
# - `value, version = await store.get(key)`; a missing key gives `(None, 0)`.
# - `written = await store.put(key, value, version)`: writes only if this is still the version, else nothing is written and `written` is `False`.
#
# `Sessions(store, ttl, now)`: a session lives for `ttl` seconds after it was opened; `now()` says the time, in seconds. Each server makes an object of its own, and
# may be gone at any moment.
#
# | method | |
# |---|---|
# | `await sessions.open(user)` | a new session with an empty cart; returns its token, a text that nobody can guess (128 bits, such as `secrets.token_urlsafe()`) |
# | `await sessions.load(token)` | the session, a dictionary with at least `"user"` and `"cart"`; `None` if there is none, or if it has expired |
# | `await sessions.update(token, fn)` | saves `fn(session)`, which is the changed session, and returns it; `None` as above. If another server has written in the meantime, begin anew: read again, call `fn` again. What is saved holds the change once |
#
# Whoever writes in vain waits a random while before the next attempt, and longer each time (lesson 4, section 8).
#
# | client | server |
# |---|---|
# | `{"type": "open", "user": "ada"}` | `{"type": "session", "token": "…"}` |
# | `{"type": "resume", "token": "…"}` | `{"type": "resumed", "user": "ada", "cart": ["tea"]}` |
# | `{"type": "add", "item": "jam"}` | `{"type": "cart", "cart": ["tea", "jam"]}` |
#
# `add` belongs to the session that was last opened or resumed on this connection. Where there is no session, or none any more, the answer is
# `{"type": "error", "code": "no_session"}`, and the connection stays open.
#
# What the check looks at: one session at three servers; unknown and expired tokens; 50 additions at once, with fewer than 1,000 calls of the store; 1,000 tokens.


# %% answer="6.3"
# BEGIN SOLUTION
class Sessions:
    def __init__(self, store, ttl, now):
        self.store, self.ttl, self.now = store, ttl, now

    async def open(self, user):
        token = secrets.token_urlsafe()
        await self.store.put(token, {"user": user, "cart": [], "until": self.now() + self.ttl}, 0)
        return token

    async def read(self, token):
        session, version = await self.store.get(token)
        if session is not None and self.now() >= session["until"]:
            session = None
        return session, version

    async def load(self, token):
        session, _ = await self.read(token)
        return session

    async def update(self, token, fn):
        pause = 0.02
        while True:
            session, version = await self.read(token)  # retrieve
            if session is None:
                return None
            changed = fn(session)
            if await self.store.put(token, changed, version):  # update, if nobody else has
                return changed
            await asyncio.sleep(random.uniform(0, pause))
            pause = min(2 * pause, 1.0)


def adding(item):
    def fn(session):
        return session | {"cart": [*session["cart"], item]}

    return fn


async def cart_handler(ws, sessions):
    token = ""  # 1 accept: all that the connection remembers
    with contextlib.suppress(ConnectionClosed):
        async for text in ws:  # 2 read
            message = json.loads(text)
            reply = {"type": "error", "code": "no_session"}
            if message["type"] == "open":  # 3 decide
                token = await sessions.open(message["user"])
                reply = {"type": "session", "token": token}
            elif message["type"] == "resume":
                token = message["token"]
                session = await sessions.load(token)
                if session is not None:
                    reply = {"type": "resumed", "user": session["user"], "cart": session["cart"]}
            elif message["type"] == "add":
                session = await sessions.update(token, adding(message["item"]))
                if session is not None:
                    reply = {"type": "cart", "cart": session["cart"]}
            await ws.send(json.dumps(reply))  # 4 answer


# END SOLUTION
# BEGIN STUB
# class Sessions:
#     def __init__(self, store, ttl, now):
#         self.store, self.ttl, self.now = store, ttl, now

#     async def open(self, user):
#         ...

#     async def load(self, token):
#         ...

#     async def update(self, token, fn):
#         ...


# async def cart_handler(ws, sessions):
#     ...
# END STUB


# %% check="6.3"
check("6.3", Sessions, cart_handler)

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 6` in a terminal: your work is kept
# as a backup beside it.
