# %% [markdown]
# # Exercises 2: request, process, response
#
# Two exercises, about 35 minutes. You need lesson 2, [Request and response](../notebooks/02_request_response.ipynb).
#
# Change the cell that holds the function, run it, then run the check below it. Work cell by cell: *Run All* stops at the first
# exercise that is not solved yet. `hint("2.1")` gives a hint; there are three for each exercise.

# %%
import json

from wslab import check, hint

# %% [markdown]
# ## 2.1 The timeline
#
# ★ · computed prediction · about 15 minutes
#
# A client sends its requests all at once, at time 0. The request with the number `i` takes `delays[i]` seconds of work. Predict
# what the client sees: the order in which the answers arrive, as a list of request numbers, and the seconds until the last one.
#
# - `mode` is `"sequential"`: the handler finishes one request before it reads the next.
# - `mode` is `"concurrent"`: the handler starts a task for each message and reads on.
#
# For example `predict_timeline([0.15, 0.05, 0.10], ...)`: you have seen both modes in the lesson. With no requests at all
# the answer is `([], 0.0)`.
#
# What the check looks at: your numbers beside real servers, for five lists of delays that it makes up.


# %% answer="2.1"
def predict_timeline(delays, mode):
    # BEGIN SOLUTION
    order = list(range(len(delays)))
    if mode == "sequential":
        return order, float(sum(delays))
    order.sort(key=lambda number: delays[number])
    return order, max(delays, default=0.0)
    # END SOLUTION
    # BEGIN STUB
    # order = ...
    # seconds = ...
    # return order, seconds
    # END STUB


# %% check="2.1"
check("2.1", predict_timeline)

# %% [markdown]
# ## 2.2 A server that answers by id
#
# ★★ · build · about 20 minutes
#
# Write a handler that serves requests. A request is a JSON text such as `{"id": 417, "body": "ab"}`. The work is done by `process`,
# a coroutine function that is handed to you: `await process(body)`. The answer is a JSON text with the **same id** and the result:
# `{"id": 417, "body": ...}`.
#
# One request after the other is fine here: only the ids are judged.
#
# What the check looks at:
#
# - ids come back unchanged, numbers and texts;
# - with five requests on their way at once, each answer belongs to its own request;
# - two clients may use the same ids;
# - your handler ends quietly when its client has left.


# %% answer="2.2"
async def rpc_handler(ws, process):
    # BEGIN SOLUTION
    async for message in ws:  # 1 read
        request = json.loads(message)  # 2 decide what is asked
        result = await process(request["body"])  # 3 process
        reply = {"id": request["id"], "body": result}  # 4 say which request this answers
        await ws.send(json.dumps(reply))  # 5 answer
    # END SOLUTION


# %% check="2.2"
check("2.2", rpc_handler)

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 2` in a terminal: your work is kept
# as a backup beside it.
