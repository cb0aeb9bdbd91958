# %% [markdown]
# # Exercises 4: one server, or several behind a load balancer
#
# Five exercises: 4.2 takes about 25 minutes; 4.1, 4.3, 4.4 and 4.5, marked *Going further*, about two hours more. You need lesson 4,
# [One server, or several](../notebooks/04_architectures.ipynb).
#
# Change the cell that holds the function or the class, run it, then run the check below it. Work cell by cell: *Run All* stops at the
# first exercise that is not solved yet. `hint("4.1")` gives a hint; there are three for each exercise.

# %%
import asyncio
import contextlib
import json
import random

from websockets import ConnectionClosed, InvalidStatus, broadcast, connect

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
#
# Repair it with the backplane. Each server is started with `await chat.start(backplane)`, before its first client comes. `backplane` is its
# connection to NATS, and can do what it did in the lesson:
#
# - `await backplane.publish("chat", b"...")` publishes bytes on a subject. All who subscribed to this subject get them, **also the server
#   itself**, if it subscribed.
# - `subscription = await backplane.subscribe("chat", cb=self.deliver)` calls the coroutine function `deliver(msg)` for everything that is
#   published on this subject from now on, one after the other. `msg.data` are the bytes.
# - `await subscription.unsubscribe()` ends that.
#
# From a text to bytes and back: `message.encode()` and `msg.data.decode()`.
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
                await self.backplane.publish("chat", message.encode())  # 3 decide: it concerns all servers, this one, too
        finally:
            self.clients.discard(ws)  # 5 clean up

    async def deliver(self, msg):
        broadcast(self.clients, msg.data.decode())  # 4 answer: each server tells its own clients

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

# %% [markdown]
# ## 4.4 Coming back

# %% [markdown]
# ## 4.5 Catch the silent two thirds

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 4` in a terminal: your work is kept
# as a backup beside it.
