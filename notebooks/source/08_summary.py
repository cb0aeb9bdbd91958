# %% [markdown]
# # 8 · Summary
#
# About 25 minutes, no exercises. You need lessons 1 to 7. After it comes the [checkpoint](../checkpoint/README.md).
#
# **In this lesson you will**
#
# - read one server that does everything you have met;
# - see each of the four points of the summary in a recording of your own run;
# - write down, from memory, what you would tell somebody who starts tomorrow.

# %%
import asyncio
import json
import logging
import random
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from websockets import broadcast, connect

from wslab import predict, record, reveal, running_servers, seed, serve
from wslab.sources import watch_log, watch_sql

# %% [markdown]
# The diagrams of this course illustrate:
#
# - ✅ architecture and components
# - ✅ request/response patterns
# - ✅ data flow and structure
# - ✅ error handling approaches
#
# One small server is enough to show all four. It keeps the prices of a market in a database, answers by `id`, tells everybody about a new price, and
# goes on after an error. Read it line by line: which lesson does each line come from?

# %%
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "market.db"
log = logging.getLogger("market")
watch_log(log)
stalls = set()


def ask(statement, *values):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return watch_sql(database).execute(statement, values).fetchall()


async def answer(request):
    item, price = request["item"], request.get("price")
    if price is None:
        rows = await asyncio.to_thread(ask, "SELECT price FROM prices WHERE item = ?", item)
        return {"price": rows[0][0]}
    await asyncio.to_thread(ask, "INSERT OR REPLACE INTO prices VALUES (?, ?)", item, price)
    broadcast(stalls, json.dumps({"type": "news", "body": {"item": item, "price": price}}))
    return {"saved": item}


# %%
async def market(ws):
    stalls.add(ws)  # 1 accept
    try:
        async for message in ws:  # 2 read
            number = None
            try:
                request = json.loads(message)  # 3 decide
                number = request["id"]
                reply = {"type": "answer", "id": number, "body": await answer(request["body"])}
            except Exception:
                log.exception("request %s failed", number)
                reply = {"type": "error", "id": number, "body": {"code": "internal"}}
            await ws.send(json.dumps(reply))  # 4 answer
    finally:
        stalls.discard(ws)  # 5 clean up


ask("CREATE TABLE IF NOT EXISTS prices (item TEXT PRIMARY KEY, price INTEGER)")
server = await serve(market)

# %% [markdown]
# Your own goods and prices, so that this recording is yours:

# %%
chance = random.Random(seed())
item, price = chance.choice(["apples", "plums", "cherries", "figs"]), chance.randint(2, 9)
print("you sell", item, "for", price)

# %% [markdown]
# ## 1 Architecture and components
#
# Ada says what she sells, Bob listens.

# %%
with record(server) as architecture:
    async with connect(f"{server.url}/?name=Ada") as ada, connect(f"{server.url}/?name=Bob") as bob:
        await architecture.settled()
        await ada.send(json.dumps({"type": "price", "id": 1, "body": {"item": item, "price": price}}))
        await ada.recv()
        await ada.recv()
        await bob.recv()
        await architecture.settled()
    await architecture.settled()
architecture.map()

# %% [markdown]
# Client, server, database, as in the first diagram of lesson 1. Each line is a connection with a count, and Bob's is one on which he never asked.
# With a load balancer and more servers it would be the second half of the diagram of lesson 4; the database would still be one.

# %% [markdown]
# ## 2 Request/response patterns
#
# **Predict:** Ada sent one request. How many messages did *she* get, and how many did Bob?

# %%
predict("p8.1", "One request of Ada's: how many messages came to Ada, how many to Bob?", ada=..., bob=...)

# %%
texts = [event for event in architecture.trace if event.kind == "text" and not event.up]
to_ada = sum(event.target == "Ada" for event in texts)
reveal("p8.1", architecture, ada=to_ada, bob=len(texts) - to_ada)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# Two for Ada: the news, which goes to everybody, and the answer, which carries her `id`. One for Bob: the news. Request and response are an agreement between
# two programs; the connection itself knows only messages, in both directions, at any time.
#
# </details>

# %% [markdown]
# ## 3 Data flow and structure
#
# The answer to Ada, as header and body: first the frame, as it is on the wire, then the envelope inside it.

# %%
mine = next(row.number for row in architecture.rows if '"answer"' in row.event.text)
architecture.parts(mine)

# %%
architecture.parts(mine, envelope=True)

# %% [markdown]
# The frame's header says how long the payload is and what it is (text); nothing of *what it means*. That is said by the header of the envelope:
# `type` and `id`. Content-Type and Authorization stand in neither of them. They belong to HTTP, and so to the opening handshake.

# %% [markdown]
# ## 4 Error handling approaches
#
# Ada asks for something that nobody sells, then for your goods.

# %%
with record(server) as errors:
    async with connect(f"{server.url}/?name=Ada") as ada:
        for number, wanted in enumerate(["moonstones", item], 1):
            await ada.send(json.dumps({"type": "question", "id": number, "body": {"item": wanted}}))
            await ada.recv()
    await errors.settled()
errors.flow()

# %% [markdown]
# The error path and the success path of the last diagram, on one connection. The error is in the log with its type, the client learns a code and nothing
# else, and the second request is answered as if nothing had happened. Had the handler raised instead, the client would have seen a close with 1011
# (lesson 7).

# %% [markdown]
# ## The diagram from memory
#
# Without scrolling up: all arrows of this last recording, from the opening handshake to the end of TCP, such as `"Ada -> Server: GET"`. For a
# frame its kind is enough; the database is asked with `SELECT`, the log line begins with `ERROR`.

# %%
predict("m8", "All arrows of one failing and one good request, with database and log.", arrows=...)

# %%
reveal("m8", errors)

# %% [markdown]
# ## What to do next
#
# | you want to | do |
# |---|---|
# | practise | the exercises: [0](../exercises/00_start_here.ipynb), [1](../exercises/01_overview.ipynb), [2](../exercises/02_request_response.ipynb), [3](../exercises/03_patterns.ipynb), [4](../exercises/04_architectures.ipynb), [5](../exercises/05_data_format.ipynb), [6](../exercises/06_state.ipynb), [7](../exercises/07_error_handling.ipynb) |
# | know whether you can do it | the [checkpoint](../checkpoint/README.md): twenty questions and an auction room on three servers |
# | look closer | [lesson 9](09_live.ipynb): the live panel, broken frames, the line behind an arrow |
# | look a word up | the [glossary](glossary.md) |
# | have all of it on one page | the [cheat sheet](cheat_sheet.md) |
#
# ## You have now seen
#
# - architecture and components: connections, pushes and a database, counted on a map;
# - request/response patterns: pairs by `id`, and news between them;
# - data flow and structure: a frame around an envelope, header and body twice;
# - error handling: reply, log, and a connection that lives on.
#
# ## Further reading
#
# - RFC 6455, *The WebSocket Protocol*; RFC 7692, *Compression Extensions for WebSocket*; RFC 8441, *Bootstrapping WebSockets with HTTP/2*
# - websockets documentation, *How-to guides* and *Topic guides*
#
# Last of all: stop the server, and remove its database.

# %%
for running in running_servers():
    await running.stop()
folder.cleanup()
assert running_servers() == [] and not path.exists()
