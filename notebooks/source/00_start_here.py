# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 0 · Start here
#
# About 40 minutes, and 25 more for two exercises. You need Python functions, loops and dictionaries. You need to know nothing about
# networks, and nothing about `asyncio`.
#
# This kit teaches **WebSockets**: connections on which a program and a server can both speak at any time. Chats, live prices and games
# are made of them. You will not look at drawings of such programs. You run them, here, and the kit records what crosses between
# them. Every diagram is such a recording, made a moment ago on your machine.
#
# **In this lesson you will**
#
# - check that everything works here;
# - open your first live connection, and read its picture arrow by arrow;
# - see on five small examples how one program waits for many things at once: `await`, `gather`, blocking, a task, `async for`;
# - learn how to work with these notebooks: cells, predictions, checks, hints, and what to do when you are stuck;
# - find out why `asyncio.run` fails in a notebook.
#
# A notebook consists of **cells**: texts like this one, and code. To run a code cell, click into it and press **Shift + Enter**. Its result
# appears below it. Run the cells from top to bottom.
#
# The first one loads the tools for this lesson.

# %%
import asyncio
import sys
import time
from importlib.metadata import version

from websockets import connect

from wslab import enable_nested, predict, record, reveal, running_servers, serve, watch_loop

# %% [markdown]
# If this cell said `ModuleNotFoundError`, Jupyter was started without the kit: close it and run `python3 start.py` in the kit's folder.
#
# Now the self-check. It looks at the versions, starts a server, sends it a message and waits for the message to come back. You need not
# understand the code yet. At the end of this lesson you will.


# %%
async def echo(ws):
    async for message in ws:
        await ws.send(message)


recent = sys.version_info >= (3, 11) and int(version("websockets").split(".")[0]) >= 17
server = await serve(echo)
async with connect(server.url) as ws:
    await ws.send("are you there?")
    answer = await ws.recv()
print("versions:", "ok" if recent else "too old, run start.py again")
alive = answer == "are you there?"
print("echo:", "ready" if alive else "not ready, run 'wslab doctor' in a terminal")

# %% [markdown]
# `versions: ok` and `echo: ready`? Then everything works here. If not, open a terminal (menu *File*, *New*, *Terminal*) and run
# `wslab doctor`. It says what is missing, and what to do.

# %% [markdown]
# ## 1 Your first live connection
#
# Some words first.
#
# - A **client** is a program that asks for a connection. A **server** is a program that waits for clients. The one above runs inside this
#   notebook. It sends back whatever it gets: an *echo* server.
# - A **connection** is a line between the two. It stays open until one of them ends it.
# - A **message** is what they say to each other: a text, or bytes.
#
# **Question.** A client says `hello` once and hears the echo. What has to cross the line for that?
#
# Five lines do it. Read them as a story: *record the server; connect to it and call the connection `ws`; send; receive; wait until all
# is quiet.* The words `async` and `await` are the subject of part 2.

# %%
with record(server) as recording:
    async with connect(server.url) as ws:
        await ws.send("hello")
        await ws.recv()
    await recording.settled()

# %% [markdown]
# The recording draws itself when a cell ends with its name. Client on the left, server on the right, time runs downwards.

# %%
recording

# %% [markdown]
# Seven arrows for one `hello`. What each is:
#
# - **Arrows 1 and 2** are the *[opening handshake](glossary.md#h-to-k)*. The client asks in HTTP, the language of web pages: `GET`, with the wish to *upgrade*. The
#   server agrees: `101 Switching Protocols`. From now on both speak WebSocket.
# - **Arrow 3** is your message: kind `TEXT`, 5 bytes (`5 B`), one for each letter. **Arrow 4** is the echo. The bar beside it is the time in
#   which the server worked on your message.
# - **Arrows 5 and 6** are *close frames*. The client says goodbye (1000 means: all is well), the server says goodbye too.
# - **Arrow 7** is the end of TCP, the layer that carried the bytes. The server ends it. Now the line is gone.
#
# Every message and every goodbye travels in a *[frame](glossary.md#d-to-f)*: a few bytes of header, and the content, which is called *payload*. GET and 101 are no frames.
# The small numbers on the left are milliseconds, in this run, since the first arrow.
#
# Your five lines contain `send` and `recv`. The library did the rest: `connect` the handshake, the end of the `async with` block the goodbye.
#
# The same picture in sentences, one for each arrow. A screen reader reads this form better. To get it everywhere, set the environment
# variable `WSLAB_NARRATE=1` before you start Jupyter.

# %%
print(recording.narrate())

# %% [markdown]
# Same numbers, same facts. `print(recording)` gives a third form: the diagram as plain text.
#
# **Change one thing.** Now the client says three things on one connection, and hears the echo each time. How many arrows will that be?
#
# Here and in all lessons you **predict** first. Put your number in the place of `...` and run the cell. A wrong prediction costs nothing, and
# nobody sees it. But once you have predicted, you look at the picture differently.

# %%
predict("p0.1", "Three messages and three echoes: how many arrows?", count=...)

# %% [markdown]
# Run it for real, and compare. As long as there is no prediction, the picture stays covered.

# %%
with record(server) as three:
    async with connect(server.url) as ws:
        for word in ("one", "two", "three"):
            await ws.send(word)
            await ws.recv()
    await three.settled()
reveal("p0.1", three, count=len(three.rows))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# Eleven: six for the messages (**arrows 3 to 8**), and the same five around them as before. The handshake was not repeated, because the
# connection stayed open. A web page would ask anew for each answer. That difference is what this course is about.
#
# </details>

# %% [markdown]
# ## 2 Waiting, in five short steps
#
# A server must serve many clients, and most of the time it waits: for the next message, for the database, for a slow line. Python's answer
# is `asyncio`. It is one **event loop**, and the loop is like one cook with several pots. The cook puts a pot on the fire, and while
# it boils turns to the next one. There is only one cook, but all the pots get hot at once.
#
# `asyncio.sleep(0.2)` stands for "something that takes 0.2 seconds and needs no cook".
#
# ### 2.1 Call and await
#
# **Question.** `async def` makes a *coroutine function*. What happens when you call it like any other function?


# %%
async def boil():
    await asyncio.sleep(0.2)
    return "tea"


made = boil()
print("I have a", type(made).__name__)
made.close()

# %% [markdown]
# You do not have tea. You have a *coroutine*: a recipe that is ready to be followed. Not one line of `boil` has run.
# (`close()` throws it away. Otherwise Python would complain later that it was *never awaited*.)
#
# The word `await` follows the recipe and gives you its result:

# %%
await boil()

# %% [markdown]
# **Remember this one.** A call without `await` does nothing, and it raises no error at that place. It is the most frequent mistake of all, also
# with `ws.send("hello")`. Nothing crosses the line then. Exercise 0.1 is about it.
#
# What did the loop do meanwhile? `watch_loop` runs a coroutine and records each **turn**: the time from when the loop lets it run to where it
# must wait.

# %%
await watch_loop(boil())

# %% [markdown]
# One *lane*: the line of `boil`. It had two turns, the two thin solid marks: it started and came to the sleep; 200 ms later it went on and
# returned. The hatched bar between them is waiting. In it the cook is **free**.
#
# **Change one thing.** Two recipes, one after the other.


# %%
async def toast():
    await asyncio.sleep(0.1)
    return "toast"


async def one_by_one():
    await boil()
    await toast()


await watch_loop(one_by_one())

# %% [markdown]
# Still one lane: `await boil()` means *do not go on until this is done*. So the waits stand in a row, and their times add up to 0.3 s. The cook
# stood beside the kettle and looked at it.

# %% [markdown]
# ### 2.2 Two waits at once
#
# `asyncio.gather(...)` takes several coroutines, runs them side by side, and waits until all of them are done.
#
# **Predict.** `boil` waits 0.2 s, `toast` 0.1 s. How many seconds does `together` take?


# %%
async def together():
    return await asyncio.gather(boil(), toast())


predict("p0.2", "How many seconds does together() take?", seconds=...)

# %% [markdown]
# Run, and compare. A time counts as right if it is off by less than a quarter.

# %%
picture = await watch_loop(together())
reveal("p0.2", picture, seconds=picture.seconds)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# As long as the *longest* of them, not as long as both. There are three lanes now, because `gather` made a **task** of each coroutine: a piece of
# work with turns of its own. In **turns 2 and 3** both start and come to their sleep. From then on both bars run side by side.
# In **turn 4** the toast is done, in **turn 5** the tea, and in **turn 6** `together` itself goes on.
#
# Between the turns the cook does nothing at all. That is why one program can serve ten thousand clients.
#
# </details>

# %% [markdown]
# ### 2.3 What blocking does
#
# `time.sleep` waits as well, but without `await`. It does not tell the loop that it waits. The cook falls asleep.
#
# **Predict.** `scrub` sleeps 0.2 s in this way, `toast` waits 0.1 s as before. How many seconds do they take side by side, and which of the
# two is done first?


# %%
async def scrub():
    time.sleep(0.2)


async def cleaning():
    await asyncio.gather(scrub(), toast())


predict("p0.3", "How many seconds, and who is first?", seconds=..., first=...)

# %% [markdown]
# Run, and compare.

# %%
picture = await watch_loop(cleaning())
reveal("p0.3", picture, seconds=picture.seconds, first=picture.finished[0])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The sum again, although there is a `gather`; and the short toast is done *after* the long scrub. Turn 2 is one solid block of 200 ms. In it
# the loop could do nothing: toast could not even start before **turn 3**.
#
# Your server lives on the same loop. While one function blocks, no client gets an answer, no matter how many there are. Long
# computations and every `time.sleep` block. `await` does not.
#
# </details>

# %% [markdown]
# ### 2.4 A task of one's own
#
# **Question.** Can you start something, do something else, and collect the result later? `asyncio.create_task` does the first half of what
# `gather` did: it makes a task and goes on at once. To await the task is the second half.


# %%
async def morning():
    kettle = asyncio.create_task(boil())
    await toast()
    return await kettle


await watch_loop(morning())

# %% [markdown]
# In **turn 1** `morning` creates the task, and does not stop there: it goes on to `toast()` and waits in it. Only now, in **turn 2**, does `boil`
# start. A new task runs for the first time when its maker waits. In **turn 3** the toast is done and `morning` awaits the kettle, which has been on
# the fire all the time. After 0.2 s, not 0.3 s, breakfast is ready.
#
# **Change one thing.** What if nobody awaits the task? `done()` asks it whether it is done, and waits for nothing.


# %%
async def hasty():
    kettle = asyncio.create_task(boil())
    await toast()
    return kettle.done()


picture = await watch_loop(hasty())
print("tea ready:", picture.result)
picture

# %% [markdown]
# `hasty` returns in **turn 3**, and the tea is not ready: the lane of `boil` still waits where the picture ends. Nobody asks for its result
# any more. In a server such a task may be lost together with its errors. So: **keep your tasks, and await them.**

# %% [markdown]
# ### 2.5 `async for`
#
# A `for` loop takes one item after the other. `async for` does the same where each item may have to be waited for. A connection is such a
# thing: `async for message in ws` waits for a message, runs the body of the loop, and waits again.
#
# Here is a server that hands out one thing each time somebody says `next`. After the fourth `next` it has nothing left, and its function
# returns. Such a function is called a **[handler](glossary.md#h-to-k)**. The library starts it once for each connection, and closes the connection when it returns.


# %%
async def clerk(ws):
    for thing in ("tea", "toast", "jam"):
        await ws.recv()
        await ws.send(thing)
    await ws.recv()


shop = await serve(clerk, name="Clerk")

# %% [markdown]
# And the client. It says `next`, and again `next` for each thing that it gets. Nothing in it says when to stop.
#
# **Predict.** How often does the body of its loop run: 3 times, 4 times, for ever?


# %%
async def listen(ws):
    await ws.send("next")
    async for thing in ws:
        served.append(thing)
        await ws.send("next")


predict("p0.4", "How often does the body of the loop in listen() run?", times=...)

# %% [markdown]
# Run, and compare. The lane picture shows the client; the recording is for afterwards.

# %%
served = []
with record(shop) as sale:
    async with connect(shop.url) as ws:
        picture = await watch_loop(listen(ws))
    await sale.settled()
reveal("p0.4", picture, times=len(served))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# Three times, once for each thing; and then the loop **ended by itself**, because the connection was over. Each turn after the first was
# woken by something that came over the line: `listen` waits in `recv`, the same that you called by hand above. `async for` calls it for you.
#
# </details>
#
# The same on the wire:

# %%
reveal("p0.4", sale)

# %% [markdown]
# **Arrows 3 to 8** are three times *next* and a thing. After **arrow 9**, the fourth *next*, the handler returns, so this time it is the server who says
# goodbye first: **arrow 10**. This arrow ended the loop. No error, no test in your code.
#
# Go back to `echo` in the self-check. You can read it now: *for each message that comes, send it back; when the client leaves, be done.* Those
# three lines are a complete server.
#
# One word is still open. `async with` opens something, waits where that takes time, and closes it at the end of the block, even after an error. Here
# it opens and closes the connection.

# %% [markdown]
# ## 3 How to work here
#
# **Cells and their order.** A cell knows what the cells before it have made, in the order in which *you ran them*. `[*]` beside a cell means: it is
# running. What does it look like if a cell was left out?

# %%
try:
    print(a_name_from_a_cell_that_was_left_out)
except NameError as exc:
    print(f"{type(exc).__name__}: {exc}")

# %% [markdown]
# Whenever you see `NameError`, run the cells above first: menu *Run*, *Run All Above Selected Cell*.
#
# | | |
# |---|---|
# | **Predictions** | `predict(...)` keeps yours, `reveal(...)` compares it. You may change it and run both cells again. |
# | **Exercises** | They have notebooks of their own, in the folder `exercises`. Change the cell with the function, run it, run the cell with `check` below it. |
# | **Checks** | `check("0.1", ask)` runs your function against a real server and says in one line per behaviour what it did, what was expected, what it saw, and at which arrow of your recording to look. |
# | **Hints** | `hint("0.1")` asks you a question. Called again it points to a place, and at last it offers a version to start from. `hint()` looks at your last failure. Hints are free. |
# | **Saving** | Ctrl + S (on a Mac ⌘ + S). `wslab check 0` in a terminal runs what you *saved*, in a fresh kernel. |
#
# The **kernel** is the Python program behind the notebook. All names, tasks and servers live in it.
#
# **If you are stuck**
#
# 1. Read the last line of the message. It says what happened, and mostly what to do.
# 2. In an exercise notebook: `hint()`.
# 3. Does a cell not end? Press ■ (*interrupt*).
# 4. Does nothing make sense any more? Menu *Kernel*, *Restart Kernel and Run All Cells*. That is never a defeat: all lessons are made for it.
# 5. `wslab doctor` in a terminal looks for what is wrong on your machine.
# 6. `wslab reset 0` brings back the exercises of lesson 0 as they were. Your own version is kept beside them.

# %% [markdown]
# ## 4 `asyncio.run` in a notebook
#
# In books and on the web most examples end with `asyncio.run(main())`. **Question.** What does it do in a notebook?

# %%
recipe = boil()
try:
    asyncio.run(recipe)
    print("it works: enable_nested() has been called. Restart the kernel to see the error.")
except RuntimeError as exc:
    print(f"{type(exc).__name__}: {exc}")
finally:
    recipe.close()

# %% [markdown]
# `asyncio.run` starts an event loop, and a program has only one running loop at a time (in each of its threads). In a script there is none yet, so you need
# it. In a notebook the kernel *is* such a loop already: that is why you may write `await` at the top of a cell here.
#
# | in a script | in a notebook |
# |---|---|
# | `asyncio.run(main())` | `await main()` |
#
# This is the whole rule. Everything inside `main` is the same in both.
#
# **And `nest-asyncio`?** Many tutorials call `nest_asyncio.apply()`. It changes `asyncio` in the whole kernel, so that a loop can run *inside*
# a turn of itself. It has a trap: with `nest-asyncio` 1.6 and a current JupyterLab, *Run All* **hangs for ever** after the first cell with
# `asyncio.run(...)`. Cell by cell, all seems well. Its successor `nest-asyncio2` has this repaired, and which of the two is applied first
# wins.
#
# So the kit patches nothing by itself. If you must run somebody's script in a notebook, call `enable_nested()` before anything
# else. It applies the repaired one.

# %%
enable_nested()
asyncio.run(boil())

# %% [markdown]
# Tea. But look at what you pay: this cell did not `await`, so for Python it is one long turn like `time.sleep`. The nested loop
# keeps the servers alive, and the patch stays until the kernel is restarted. In this course we write `await`.

# %% [markdown]
# ## Exercises
#
# In [the exercises of this lesson](../exercises/00_start_here.ipynb):
#
# - **0.1** ★ A client that forgets to wait: one word is missing. About 10 minutes.
# - **0.2** ★★ Echo: write the server from the self-check yourself. About 15 minutes.

# %% [markdown]
# ## You have now seen
#
# - that everything works here: a server, a client, an echo;
# - your first live connection: handshake (GET and 101), messages, close frames, the end of TCP;
# - how one program waits for many things at once: `await` for one after the other, `gather` for several at once, blocking that stops all of them, a task that
#   one keeps and awaits, `async for` until the connection ends;
# - how to work with these notebooks: cells in order, a prediction first, `check`, `hint`, restart, `wslab doctor`;
# - that `asyncio.run` fails in a notebook because the loop is there already, and that `await` is all you need.
#
# **Next:** the exercises, then [lesson 1](01_overview.ipynb): client, server, database. Words that you meet are in the
# [glossary](glossary.md), and all of the course on one printed page is the [cheat sheet](cheat_sheet.md).
#
# ## Further reading
#
# - RFC 6455, *The WebSocket Protocol*: section 1.2 (overview), 1.3 (opening handshake), 1.4 (closing handshake), 7.4.1 (what 1000 means)
# - Python documentation: *Coroutines and Tasks*, and *Developing with asyncio* (section *Running Blocking Code*)
# - websockets documentation: *Getting started*; FAQ *Using asyncio*
#
# Last of all: stop the servers of this lesson.

# %%
for running in running_servers():
    await running.stop()
assert running_servers() == []
print("all servers are stopped")
