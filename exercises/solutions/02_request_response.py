# %% [markdown]
# # Exercises 2: request, process, response
#
# Four exercises: 2.1 and 2.2 take about 35 minutes; 2.3 and 2.4, marked *Going further*, about 70 minutes more. You need lesson 2,
# [Request, process, response](../notebooks/02_request_response.ipynb).
#
# Change the cell that holds the function, run it, then run the check below it. Work cell by cell: *Run All* stops at the first
# exercise that is not solved yet. `hint("2.1")` gives a hint; there are three for each exercise.

# %%
import asyncio
import json

from websockets import ConnectionClosed

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
# For example `predict_timeline([0.1, 0.2], "sequential")` is `([0, 1], 0.3)`. With no requests at all the answer is `([], 0.0)`.
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
# - your handler ends when its client has left, without an exception.


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
# ## 2.3 Eight at once
#
# ★★★ · build · about 30 minutes · *Going further*
#
# The same messages as in 2.2, but now a slow request must not hold up a quick one, and one client must not be able to load your server
# with a thousand pieces of work at a time:
#
# - the requests of one connection are worked on side by side, **up to eight at once**, never more; the others wait until a place is free;
# - each answer is sent as soon as its work is done;
# - each connection has eight places of its own;
# - when the client leaves, politely or not, everything that still runs or waits is **cancelled**.
#
# Two things from `asyncio` that you may need: `places = asyncio.Semaphore(8)` makes eight places, and the block `async with places:` waits for
# a free one, holds it and gives it back at its end. `task.cancel()` ends a task where it waits.
#
# What the check looks at: who overtakes whom, how many calls of `process` run at once, and what is left 0.2 s after the client has gone.


# %% answer="2.3"
async def rpc_handler(ws, process):
    # BEGIN SOLUTION
    places = asyncio.Semaphore(8)  # 1 accept: eight places on this connection
    tasks = set()

    async def answer(request):
        async with places:
            result = await process(request["body"])  # 3 decide
        await ws.send(json.dumps({"id": request["id"], "body": result}))  # 4 answer

    try:
        async for message in ws:  # 2 read
            task = asyncio.create_task(answer(json.loads(message)))
            tasks.add(task)  # keep it, until it is done
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:  # 5 clean up: nobody waits for these answers any more
            task.cancel()
    # END SOLUTION


# %% check="2.3"
check("2.3", rpc_handler)

# %% [markdown]
# ## 2.4 A client that can be trusted
#
# ★★★ · build · about 40 minutes · *Going further*
#
# The other end of the line. In the lesson a client mistook a push for its answer, and two readers got in each other's way. Write a class that
# hides all this: whoever uses it says `await client.call(body)` and gets **the** answer, or an exception, never somebody else's answer.
#
# - `RpcClient(ws)` gets an open connection. From then on one task of yours, the **reader**, takes every message.
# - `await client.call(body, timeout=1.0)` sends `{"id": ..., "body": body}` with an id of its own, and returns the `body` of the answer that
#   carries this id. Any number of calls may wait at the same time, and the answers may come in any order.
# - After `timeout` seconds without an answer, `call` raises `TimeoutError`, and nothing of it remains. If the answer comes after all, it is dropped.
# - Every other message without a waiting call, such as a push, goes as a dictionary into `client.events`, an `asyncio.Queue`.
# - When the connection ends, however it ends, every waiting call raises `ConnectionClosed`.
# - `await client.close()` ends the connection and leaves no task behind.
#
# The server sends JSON objects only.
#
# The bridge between the reader and a call is a **future**, an empty place for one result: `future = asyncio.get_running_loop().create_future()`.
# `await future` waits until somebody fills it with `future.set_result(value)` or `future.set_exception(exc)`. With a limit of time it is
# `await asyncio.wait_for(future, timeout)`. Before you fill one, ask `future.done()`: a place is filled only once.
#
# What the check looks at: 20 calls answered in reverse, pushes in between, answers that come too late, a cut, an end.


# %% answer="2.4"
class RpcClient:
    # BEGIN SOLUTION
    def __init__(self, ws):
        self.ws = ws
        self.events = asyncio.Queue()
        self.last_id = 0
        self.waiting = {}  # the future of each call that waits, by id
        self.reader = asyncio.create_task(self.read())

    async def call(self, body, timeout=1.0):
        self.last_id += 1
        number = self.last_id
        future = self.waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self.ws.send(json.dumps({"id": number, "body": body}))
            return await asyncio.wait_for(future, timeout)
        finally:
            del self.waiting[number]  # answered, too late or failed: nobody waits for this id any more

    async def read(self):
        try:
            while True:
                self.hand_out(json.loads(await self.ws.recv()))
        except ConnectionClosed as end:
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(end)

    def hand_out(self, message):
        number = message.get("id")
        if number in self.waiting:
            if not self.waiting[number].done():
                self.waiting[number].set_result(message["body"])
        elif number not in range(1, self.last_id + 1):  # an id of ours is a late answer: dropped
            self.events.put_nowait(message)

    async def close(self):
        await self.ws.close()
        await self.reader

    # END SOLUTION
    # BEGIN STUB
    # def __init__(self, ws):
    #     self.events = asyncio.Queue()
    #     ...

    # async def call(self, body, timeout=1.0):
    #     ...

    # async def close(self):
    #     ...
    # END STUB


# %% check="2.4"
check("2.4", RpcClient)

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 2` in a terminal: your work is kept
# as a backup beside it.
