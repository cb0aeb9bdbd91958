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
import json
import random
import secrets
import time

from websockets import ConnectionClosed

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

# %% [markdown]
# ## 6.3 Save, retrieve, update

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 6` in a terminal: your work is kept
# as a backup beside it.
