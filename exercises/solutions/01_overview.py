# %% [markdown]
# # Exercises 1: client, server, database
#
# Three exercises: 1.1 and 1.2 take about 35 minutes; 1.3, marked *Going further*, about 20 minutes more. You need lesson 1,
# [Client, server, database](../notebooks/01_overview.ipynb).
#
# Change the cell that holds the function, run it, then run the check below it. Work cell by cell: *Run All* stops at the first
# exercise that is not solved yet. `hint("1.1")` gives a hint; there are three for each exercise, and the last one offers a version
# to start from.

# %%
import asyncio
import time

from websockets import ConnectionClosed

from wslab import check, hint

# %% [markdown]
# ## 1.1 One life in order
#
# ★ · put in order · about 10 minutes
#
# The life of one connection. The client connects, sends **one message**, and the server answers it. The server also sends a message
# that nobody asked for. When the client has received both, it closes the connection, politely.
#
# The function below returns what happens, as a list of texts, but they are mixed up, and **three of them never happen**. Put the lines in
# order, and delete those three. Cut and paste them, or move a line with <kbd>Alt</kbd>+<kbd>↑</kbd> and <kbd>Alt</kbd>+<kbd>↓</kbd>.
#
# | text | means |
# |---|---|
# | `"TCP connect"`, `"TCP end"` | the line below all of this is opened, and ended |
# | `"GET with Upgrade"`, `"101 Switching Protocols"` | the client asks for a WebSocket, the server agrees |
# | `"client message"`, `"server message"` | the message, and the server's answer to it |
# | `"unprompted server message"` | the message that nobody asked for |
# | `"close frame"`, `"close frame back"` | the client's goodbye, and the server's |
# | `"200 OK per message"` | the HTTP answer to a message |
# | `"new handshake per message"` | an opening handshake of its own for each message |
# | `"database sends to the client"` | a message that the database sends straight to the client |
#
# What the check looks at: your list beside a recording that it makes of such a connection. One of the messages may stand in more than one
# place: any order that can really happen is right.


# %% answer="1.1"
def life_of_connection():
    # BEGIN SOLUTION
    return [
        "TCP connect",
        "GET with Upgrade",
        "101 Switching Protocols",
        "client message",
        "server message",
        "unprompted server message",  # or anywhere else between the 101 and the close frame
        "close frame",
        "close frame back",
        "TCP end",
    ]
    # END SOLUTION
    # BEGIN STUB
    # return [
    #     "close frame",
    #     "server message",
    #     "TCP end",
    #     "200 OK per message",
    #     "GET with Upgrade",
    #     "client message",
    #     "database sends to the client",
    #     "101 Switching Protocols",
    #     "unprompted server message",
    #     "TCP connect",
    #     "new handshake per message",
    #     "close frame back",
    # ]
    # END STUB


# %% check="1.1"
check("1.1", life_of_connection)

# %% [markdown]
# ## 1.2 A handler with a memory
#
# ★★★ · build · about 25 minutes
#
# Write the handler of a server that keeps notes. Its clients send commands, each a text message, and every command gets one answer:
#
# | command | answer |
# |---|---|
# | `SET milk two bottles` | `OK`, as soon as `two bottles` is saved under the key `milk` |
# | `GET milk` | `two bottles` |
# | `GET tea` | `NONE`, if nothing is saved under this key |
# | anything else | `ERR` |
#
# The words of a command are separated by one space. A key is one word; the value is all that follows, with every space in it. *Anything
# else* is an unknown word, `set` in small letters, a command with too little (`SET milk`, `GET`) or too much (`GET milk tea`), and a message of
# bytes. None of these ends the connection.
#
# The notes are kept in a database, `db`, which your handler is given: `await db.save(key, value)` saves, and `await db.load(key)` returns the
# value, or `None` if there is none.
#
# Two tools: `message.split(" ", 2)` cuts a text into three parts at most, so `"SET milk two bottles"` becomes `["SET", "milk", "two bottles"]`.
# `isinstance(message, str)` is `True` for a text and `False` for bytes.
#
# If you would rather complete a handler than begin with nothing: run `hint("1.2")` three times.
#
# What the check looks at:
#
# - several commands on one connection, and values with spaces;
# - two clients share their notes, and a server that is started anew still has them: they are in `db`;
# - what is answered with `ERR`, and that the connection goes on;
# - your handler ends when its client has left, without an exception.


# %% answer="1.2"
async def notes_handler(ws, db):  # 1 accept: the handler starts, once for this connection
    # BEGIN SOLUTION
    async for message in ws:  # 2 read
        words = message.split(" ", 2) if isinstance(message, str) else []  # 3 decide
        if len(words) == 3 and words[0] == "SET":
            await db.save(words[1], words[2])
            answer = "OK"
        elif len(words) == 2 and words[0] == "GET":
            value = await db.load(words[1])
            answer = "NONE" if value is None else value
        else:
            answer = "ERR"
        await ws.send(answer)  # 4 answer
    # 5 clean up: nothing is left to do
    # END SOLUTION
    # BEGIN STUB
    # # 2 read
    # # 3 decide
    # # 4 answer
    # # 5 clean up: nothing is left to do
    # ...
    # END STUB


# %% check="1.2"
check("1.2", notes_handler)

# %% [markdown]
# ## 1.3 Four bugs, one handler
#
# ★★ · fix the bug · about 20 minutes · *Going further*
#
# `feed` gives numbers, one after the other, some at once and some after a while; it is read with `async for number in feed`. The handler
# should send each number as a text, `str(number)`, when it comes. When the feed ends, it returns, and the library closes the
# connection with 1000. When the client leaves before that, it ends, too.
#
# Somebody has put it together from what they found in old tutorials. It has **four bugs**. Repair it. Every run of the check shows you the
# next one, if you do not see it by yourself. The pause of 0.1 s between two numbers may stay or go.
#
# What the check looks at: how the handler starts, whether all numbers arrive, in order and in time, whether a second client is served
# meanwhile, and how it ends.


# %% answer="1.3"
# BEGIN SOLUTION
async def ticker(ws, feed):  # the path is not handed over any more
    try:
        async for number in feed:  # in the handler itself: it may not return before the feed ends
            await ws.send(str(number))  # without await nothing is sent
            await asyncio.sleep(0.1)  # not too fast; time.sleep would stop everybody
    except ConnectionClosed:
        pass  # the client has left


# END SOLUTION
# BEGIN STUB
# async def ticker(ws, feed, path):
#     async def send_all():
#         async for number in feed:
#             ws.send(str(number))
#             time.sleep(0.1)  # not too fast
#
#     asyncio.create_task(send_all())
# END STUB


# %% check="1.3"
check("1.3", ticker)

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 1` in a terminal: your work is kept
# as a backup beside it.
