# %% [markdown]
# # Exercises 0: a first client, a first server
#
# Two exercises, about 25 minutes. You need lesson 0, [Start here](../notebooks/00_start_here.ipynb).
#
# How it works:
#
# 1. Change the cell that holds the function, and run it.
# 2. Run the cell below it. `check` runs your function against a real server or client and tells you what it saw.
# 3. If a line says `FAIL`, read the lines below it, change your function, run **both** cells again.
#
# Work cell by cell: *Run All* stops at the first exercise that is not solved yet. `hint("0.1")` gives a hint; there are three for
# each exercise, and the last one offers a version to start from.

# %%
from websockets import connect

from wslab import check, hint

# %% [markdown]
# ## 0.1 A client that forgets to wait
#
# ★ · fix the bug · about 10 minutes
#
# `ask(url, question)` should connect to the server at `url`, send the question, and return the server's answer. It never
# gets an answer. **One word is missing.**
#
# What the check looks at: the question crosses the wire, and your function returns what the server answered.


# %% answer="0.1"
async def ask(url, question):
    async with connect(url) as ws:
        # BEGIN SOLUTION
        await ws.send(question)
        # END SOLUTION
        # BEGIN STUB
        # ws.send(question)
        # END STUB
        return await ws.recv()


# %% check="0.1"
check("0.1", ask)

# %% [markdown]
# ## 0.2 Echo
#
# ★★ · build · about 15 minutes
#
# Write a handler: a coroutine function that takes the connection `ws` and sends every message back, unchanged, until the
# client leaves. Three lines are enough.
#
# What the check looks at:
#
# - a message comes back; so do a second and a third on the same connection;
# - empty and binary messages come back unchanged, and so does one that travels in several pieces (the library joins them);
# - two clients are served side by side;
# - your handler ends when its client has left, politely or not.


# %% answer="0.2"
async def echo(ws):
    # BEGIN SOLUTION
    async for message in ws:
        await ws.send(message)
    # END SOLUTION


# %% check="0.2"
check("0.2", echo)

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 0` in a terminal: your work is kept
# as a backup beside it.
