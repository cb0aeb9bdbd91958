# %% [markdown]
# # 7 · Error flow
#
# About 75 minutes, with one exercise, and four more to go further. You need lessons [2](02_request_response.ipynb) and
# [3](03_patterns.ipynb): a handler, an `id`, the three places of an error.
#
# **In this lesson you will**
#
# - see the success path and the error path drawn by real traffic, on one connection;
# - answer, log and notify without delaying, flooding or telling too much;
# - predict what a client sees at each kind of end, and read off what it should do next;
# - meet three troubles that raise no error at once: a blocked loop, a half-open connection, a slow reader.

# %%
import asyncio
import json
import logging
import random
import time
from collections import Counter
from itertools import count

from IPython.display import display
from websockets import broadcast, connect
from websockets.exceptions import ConnectionClosed

from wslab import charts, predict, record, reveal, running_servers, seed, serve
from wslab.sources import watch_log

# %% [markdown]
# ## Before you start: three questions from memory
#
# Do not look them up. A wrong answer costs nothing; it tells you what to read again in lessons 4 and 6.
#
# **Lesson 4.** Three servers stand behind a balancer that deals *round robin*. There is no backplane: each server sends what it hears to its
# own clients only. Several clients connect. The first of them sends three messages, on its one connection.
#
# 1. How many of the three servers get these messages?
# 2. How many clients hear them?
#
# **Lesson 6.** A server counts messages twice: in a variable of the handler, and in a variable of the process. A client sends some messages,
# leaves, comes back and sends some more.
#
# 3. What do the two counters say at the end?
#
# Run the cell to see your numbers. Then put your answers in the place of `...` and run it again. The two cells below it do it for real: the
# first plays the balancer and deals the connections to the servers in turn, the second counts.

# %%
dice = random.Random(seed())
clients, before, after = 3 * dice.randint(2, 4), dice.randint(2, 3), dice.randint(1, 3)
print(clients, "clients;", before, "messages before the client leaves,", after, "after it came back")
predict("r7", "How many servers and clients? And the two counters?", servers=..., hear=..., handler=..., process=...)


# %%
def with_a_room_of_its_own():
    room = set()

    async def handler(ws):
        room.add(ws)
        async for text in ws:
            broadcast(room, text)

    return handler


three = [await serve(with_a_room_of_its_own(), name=f"Server {number}") for number in (1, 2, 3)]
with record(*three) as dealt:
    people = [await connect(three[number % 3].url) for number in range(clients)]
    await dealt.settled()
    for word in ("one", "two", "three"):
        await people[0].send(word)
    await dealt.settled()
for ws in people:
    await ws.close()

# %%
counters = {"process": 0}


async def counting(ws):
    counters["handler"] = 0
    async for _ in ws:
        counters["handler"] += 1
        counters["process"] += 1


server = await serve(counting)
with record(server) as back:
    for messages in (before, after):
        async with connect(server.url) as ws:
            for number in range(messages):
                await ws.send(f"message {number}")
        await back.settled()
said = {event.tap for event in dealt.trace if event.kind == "text" and event.up}
heard = {(event.tap, event.connection) for event in dealt.trace if event.kind == "text" and not event.up}
reveal("r7", back, servers=len(said), hear=len(heard), handler=counters["handler"], process=counters["process"])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The balancer decides once for each *connection*, so all three messages reached one server, and only the clients of that server heard
# them. The picture shows the client that came back: its second connection started the handler anew, and the handler's own counter with it. The
# counter of the process went on.
#
# </details>
#
# ## 1 Two paths
#
# ```
# Successful Flow:
# Client → Request → Server → Process → Success → Response → Client ✓
#
# Error Flow:
# Client → Request → Server → Process → Error → Error Response → Client ✗
#                                        │
#                                        └──▶ Log Error
#                                             Notify Admin
# ```
#
# **What does this picture promise?** Say it in one sentence before you read on: who learns of the error, and what may the client do after
# the ✗?
#
# A small shop. The client sends what it wants, the server looks the price up; that takes it a moment, as with a database. The menu also
# offers cake, but nobody has given the cake a price. That is *our* mistake, not the customer's. (`|` joins two dictionaries.)

# %%
PRICES = {"tea": 3, "jam": 4}


async def price(item):
    await asyncio.sleep(0.02)
    return PRICES[item]


async def careless(ws):  # 1 accept
    async for message in ws:  # 2 read
        request = json.loads(message)
        answer = {"price": await price(request["item"])}  # 3 decide
        await ws.send(json.dumps({"id": request["id"]} | answer))  # 4 answer
    # 5 clean up: here nothing is left to do


async def order(ws, number, item, **more):
    await ws.send(json.dumps({"id": number, "item": item} | more))
    return json.loads(await ws.recv())


careless_shop = await serve(careless, name="Careless shop")

# %% [markdown]
# A client orders tea and gets its price. Then it orders cake, and `PRICES["cake"]` raises `KeyError: 'cake'` in the handler. **Predict**:
#
# - `answers`: how many answers does the client get, all in all?
# - `code`: with which close code does the connection end, or 0 if it stays open?
# - `learns`: does the word `KeyError` or `cake` reach the client, `"yes"` or `"no"`?

# %%
predict("p7.2", "The handler raises KeyError: what does the client learn?", answers=..., code=..., learns=...)

# %%
with record(careless_shop) as unguarded:
    async with connect(careless_shop.url) as ws:
        await order(ws, 1, "tea")
        try:
            await order(ws, 2, "cake")
        except ConnectionClosed as exc:
            goodbye = exc.rcvd
    await unguarded.settled()
answers = [event.text for event in unguarded.trace if event.kind == "text" and not event.up]
told = " ".join(answers) + goodbye.reason
learns = "yes" if "KeyError" in told or "cake" in told else "no"
reveal("p7.2", unguarded, answers=len(answers), code=int(goodbye.code), learns=learns)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The exception left the handler, and with its handler the connection ended: **arrow 6**, a close frame with 1011, *internal error*, and
# without a reason. That nothing internal reaches the client is good. But there is no error *response*: with several requests under way
# the client could not tell which of them failed. And the connection is gone, for one bad request.
#
# Only the log (**arrow 8**) knows what happened; the library wrote that line.
#
# </details>
#
# ## 2 An error ends a request, not the connection
#
# **The repair.** The `try` stands *inside* the loop, around all that may fail for one request. The reply says that something went wrong, not
# what. The log says what. An `error_id` in both ([correlation id](glossary.md#c)) ties them together: a customer who complains can quote it. (Here it is a counter, so that your
# picture shows the same numbers as this text; `uuid.uuid4()` makes ids that nobody else has.) `log.exception` writes a line at level ERROR together
# with the exception.
#
# Then come tea, cake and jam, all on **one** connection: first the recording, then the same recording drawn like the diagram of the lesson.

# %%
log = logging.getLogger("shop")
watch_log(log, server="Shop")
error_ids = count(1)


async def guarded(ws):  # 1 accept
    async for message in ws:  # 2 read
        number = None
        try:
            request = json.loads(message)
            number = request["id"]
            answer = {"price": await price(request["item"])}  # 3 decide
        except Exception:
            error_id = f"E{next(error_ids)}"
            log.exception(error_id)
            answer = {"error": "internal", "error_id": error_id}
        await ws.send(json.dumps({"id": number} | answer))  # 4 answer
    # 5 clean up: here nothing is left to do


shop = await serve(guarded, name="Shop")

# %%
with record(shop) as paths:
    async with connect(shop.url) as ws:
        for number, item in enumerate(("tea", "cake", "jam"), 1):
            await order(ws, number, item)
    await paths.settled()
paths.display()
paths.flow()

# %% [markdown]
# The success path: **arrows 3 and 4**. The error path: request (**5**), log error (**6**), error response (**7**).
#
# What is in the recording that is not in the diagram? A third path, *after* the ✗.
#
# **Find the proof.** Which arrow of the recording proves that the error did not end the connection?

# %%
predict("e7.1", "Which arrow proves that the connection outlived the error?", arrow=...)

# %%
proof = [row.number for row in paths.rows if row.event.kind == "text" and not row.event.up][-1]
reveal("e7.1", paths, arrow=proof)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# **Arrow 9**, the price of jam. The order before it (8) proves nothing yet: one may also send to somebody who is no longer listening.
#
# </details>
#
# **The mistake may also be the customer's**: an order for coffee, half a message. That is no incident: answer with an error that says what
# is wrong, as in lesson 3, log it at INFO, and wake nobody. Our shop is not there yet: it answers `internal`, whoever made the mistake.
#
# **Your turn.** Exercise [7.2 One bad message](../exercises/07_error_handling.ipynb) goes on from here. Do it now, or read on and come back.
#
# ## 3 Notify the admin
#
# The last line of the diagram. Our admin is a WebSocket client too: whoever connects at `/admin` is told of errors. (A real one must show a
# token first, as in lesson 3.) `notify` is slow on purpose: it stands for a mail or chat service, which takes its time.

# %%
admins = set()


async def desk(ws):
    admins.add(ws)
    try:
        await ws.wait_closed()
    finally:
        admins.discard(ws)  # 5 clean up


async def notify(alert):
    await asyncio.sleep(0.3)
    if not admins:
        raise ConnectionError("no admin is connected")
    broadcast(admins, json.dumps(alert))
    log.info("admin notified")


# %% [markdown]
# The shop with one line more: `await tell(...)`. What `tell` does will change; the rest stays. So `shop_with` makes a handler from any `tell`.


# %%
def shop_with(tell):
    async def handler(ws):  # 1 accept
        if ws.request.path.startswith("/admin"):
            return await desk(ws)
        async for message in ws:  # 2 read
            request = number = None
            try:
                request = json.loads(message)
                number = request["id"]
                answer = {"price": await price(request["item"])}  # 3 decide
            except Exception as exc:
                error_id = f"E{next(error_ids)}"
                log.exception(error_id)
                await tell({"error": type(exc).__name__, "error_id": error_id, "request": request})
                answer = {"error": "internal", "error_id": error_id}
            await ws.send(json.dumps({"id": number} | answer))  # 4 answer

    return handler


# %% [markdown]
# Two ways to tell. The first waits for `notify`. The second makes a task of it, **keeps** the task in a set until it is done (Python may throw a
# task away that nobody keeps: Python documentation, `create_task`), and **looks at its errors**: nobody else will.

# %%
alerts = set()


async def in_line(alert):
    await notify(alert)


async def in_a_task(alert):
    task = asyncio.create_task(carefully(alert))
    alerts.add(task)
    task.add_done_callback(alerts.discard)


async def carefully(alert):
    try:
        await notify(alert)
    except Exception:
        log.exception("admin not notified")


# %% [markdown]
# **Predict.** One admin is connected, and one client. `notify` takes 0.3 seconds, `price` takes 0.02. After how many seconds has the client its
# error reply, with each of the two? (`resident=alerts` says that these tasks may go on while everything else is at rest.)

# %%
predict("p7.3", "The notifier takes 0.3 s: after how many seconds comes the error reply?", in_line=..., task=...)


# %%
async def tea_and_cake(shop):
    async with connect(f"{shop.url}/admin?name=Admin") as admin, connect(shop.url) as ws:
        with record(shop) as recording:
            await order(ws, 1, "tea")
            began = time.perf_counter()
            await order(ws, 2, "cake")
            seconds = time.perf_counter() - began
            await recording.settled(resident=alerts)
            await admin.recv()
            await recording.settled()
    return recording, seconds


shop = await serve(shop_with(in_line), name="Shop")
waited, seconds = await tea_and_cake(shop)
reveal("p7.3", waited, in_line=seconds)

# %%
shop = await serve(shop_with(in_a_task), name="Shop")
kept, seconds = await tea_and_cake(shop)
display(reveal("p7.3", kept, task=seconds), reveal("p7.3", kept.flow()))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# The recordings begin when both are connected. In line, the admin (**arrow 5**) comes before the customer (**arrow 7**), who pays for our
# slow notifier. So does everybody who waits behind this request on the same connection. With the task the reply is **arrow 5**, and the alert
# follows below the dotted line as **arrow 6**.
#
# The log line (**arrow 4**) stands first in both, on purpose: if the customer has gone meanwhile, `ws.send` raises `ConnectionClosed` (websockets
# documentation), and a log line below it would never be written.
#
# The last picture is the same recording drawn as paths: the diagram is complete.
#
# </details>
#
# **And when nobody is there to be notified?** Now no admin is connected, and `notify` raises `ConnectionError`. **Predict** what the client of each
# shop gets for its cake: `"reply"`, or the close code as a number?

# %%
predict("e7.4", "No admin is connected: reply or close code?", in_line=..., task=...)


# %%
async def cake_without_admin(tell):
    shop = await serve(shop_with(tell), name="Shop")
    with record(shop) as recording:
        async with connect(shop.url) as ws:
            try:
                await order(ws, 1, "cake")
                got = "reply"
            except ConnectionClosed as exc:
                got = int(exc.rcvd.code)
            await recording.settled()
    return recording, got


waiting, got_waiting = await cake_without_admin(in_line)
alone, got_alone = await cake_without_admin(in_a_task)
display(reveal("e7.4", waiting, in_line=got_waiting), reveal("e7.4", alone, task=got_alone))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# In line (the first picture), the failure of the *alarm* became the failure of the *shop*: an exception in the `except` block leaves the handler, and
# the customer sees 1011 (**arrow 5**). With the task (the second) the customer has the reply (**arrow 5**), and **arrow 6** says what became of the
# alert. Whatever you do about an error must not be able to make it worse.
#
# </details>
#
# ## 4 One alarm, not a hundred, and no secrets
#
# Cake is popular today. Five orders come in, each with a card number. What does the admin get from the shop as it is?


# %%
async def five_cakes(shop, expected):
    async with connect(f"{shop.url}/admin?name=Admin") as admin, connect(shop.url) as ws:
        with record(shop) as recording:
            for number in range(1, 6):
                await ws.send(json.dumps({"id": number, "item": "cake", "card": "4929 1234"}))
            for _ in range(5):
                await ws.recv()
            await recording.settled(resident=alerts)
            told = [await admin.recv() for _ in range(expected)]
            await recording.settled()
    return recording, told


shop = await serve(shop_with(in_a_task), name="Shop")
flood, told = await five_cakes(shop, expected=5)
print(*told, sep="\n")

# %% [markdown]
# Five alarms for one fault; with a thousand orders a thousand. And in each of them a **card number**, which the admin has no business to see.
#
# **The repair.** Errors of one kind are counted while a *window* is open; then one alert goes out with the number. And it is built from what
# may leave the server: a short list of harmless things. (The other way round, crossing out what is secret, fails with the first secret that you
# forgot.) Whoever needs more looks the `error_id` up in the log.

# %%
counted = Counter()


async def gathered(alert):
    kind = alert["error"]
    counted[kind] += 1
    if counted[kind] == 1:
        task = asyncio.create_task(after_the_window(kind, alert["error_id"]))
        alerts.add(task)
        task.add_done_callback(alerts.discard)


async def after_the_window(kind, first):
    await asyncio.sleep(0.2)
    await carefully({"error": kind, "count": counted.pop(kind), "first": first})


shop = await serve(shop_with(gathered), name="Shop")
calm, _ = await five_cakes(shop, expected=1)
calm

# %% [markdown]
# The same five orders, five log lines and five error replies. Below the dotted line, when the window has closed, comes **one** alert (**arrow 16**): rate-limited,
# with a count in the place of repetitions, and without the card number. That is in no log line either.
#
# Exercise [7.3 Respond, log, notify](../exercises/07_error_handling.ipynb) builds this for any handler. In
# [7.5 A test that catches a leak](../exercises/07_error_handling.ipynb) you write the test that would have found the card number.

# %% [markdown]
# ## 5 The table of ends
#
# An error reply ends a request. Now the ends of the *connection*. What does the client's program have in its hands afterwards?
#
# - the exception of `recv()`: [`ConnectionClosedOK` or `ConnectionClosedError`](glossary.md#c);
# - in it `exc.rcvd` and `exc.sent`: the close frame that came and the one that went, or `None`;
# - `ws.close_code`;
# - `async for`: did it end quietly, or raise?
#
# This server ends each connection in the way that the client's message names. It takes messages of at most 100 bytes (`max_size`; the library's
# default is 1 MiB).


# %%
async def ender(ws):
    end = await ws.recv()
    if end == "1000":
        return
    if end == "1011":
        raise KeyError("cake")
    if end == "1005":  # a close frame without a code: what close() sends in a browser
        async with ws.send_context():
            ws.protocol.send_close()
    elif end in ("1001", "1008", "1012", "4401"):
        await ws.close(int(end))
    await ws.wait_closed()


ends = await serve(ender, name="Ender", max_size=100, close_timeout=0.1)

# %% [markdown]
# The other three ends: the message is too big (1009); the connection is torn (`cut`, here called *abort*); from some moment on every byte
# vanishes on the way, and nobody is told (`blackhole`). In the last case the client sends a ping every 0.1 seconds and waits as long for the
# pong. (The library's default is 20 seconds for both.)
#
# Two of all these ends, to see how to read them: the polite one, and the torn connection. `OK` and `Error` are short for `ConnectionClosedOK` and
# `ConnectionClosedError`.


# %%
async def make(end):
    patience = 0.1 if end == "black hole" else None
    with record(ends) as recording:
        async with connect(ends.url, ping_interval=patience, ping_timeout=patience, close_timeout=0.1) as ws:
            await ws.send("1009".ljust(101) if end == "1009" else end)
            if end in ("abort", "black hole"):
                await recording.settled()
                ends.tap.cut() if end == "abort" else ends.tap.blackhole()
            seen = await seen_by(ws)
        await recording.settled()
    return recording, seen


async def seen_by(ws):
    loop = "quiet"
    try:
        async for _ in ws:
            pass
    except ConnectionClosed:
        loop = "raises"
    try:
        await ws.recv()  # on a connection that has ended it raises at once, each time
    except ConnectionClosed as exc:
        rcvd, sent = (int(frame.code) if frame else "none" for frame in (exc.rcvd, exc.sent))
        return [type(exc).__name__.removeprefix("ConnectionClosed"), rcvd, sent, int(ws.close_code), loop]


# %%
recordings, table = {}, {}
for end in ("1000", "abort"):
    recordings[end], table[end] = await make(end)
    print(f"{end:6}", *table[end])
recordings["abort"]

# %% [markdown]
# 1000: a close frame came, and the library answered with the same code. Abort: no close frame at all (**arrow 4** is the end of the wire), so both are `None`
# and the library puts **1006**, [*abnormal closure*](glossary.md#a), into `close_code`: there was no close frame. It is a note of your own side; nobody sent it.
#
# **Predict** such a line for six more, in the same order: exception, `rcvd`, `sent`, `close_code`, `async for`; for example `"OK 1000 1000 1000 quiet"`. Run the
# cell to see which six; the cell below it makes all ten.

# %%
five = random.Random(seed()).sample(["1001", "1005", "1008", "1009", "1011", "1012", "4401"], 5)
asked = dict(zip("abcdef", [*five, "black hole"], strict=True))
print(asked)
predict(
    "p7.1",
    'Six ends: exception, rcvd, sent, close_code, async for? Such as "OK 1000 1000 1000 quiet".',
    a=...,
    b=...,
    c=...,
    d=...,
    e=...,
    f=...,
)

# %%
for end in ("1000", "1001", "1005", "1008", "1009", "1011", "1012", "4401", "abort", "black hole"):
    recordings[end], table[end] = await make(end)
columns = ["end", "exception", "rcvd", "sent", "close_code", "async for"]
rows = [[end, *map(str, seen)] for end, seen in sorted(table.items())]
picture = charts.table(rows, columns, title="Ten ends, as the client saw them", exact=True)
told = {name: " ".join(map(str, table[end])) for name, end in asked.items()}
display(reveal("p7.1", picture, **told), reveal("p7.1", recordings["black hole"]))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# - **Three ends are quiet**: 1000, 1001 and 1005. On all others here `async for` raises, also on 1012, "service restart".
# - **Quiet does not mean done.** 1001 means *going away*: the server stops, and your client still wants its data.
# - 1009 came from the other side: whoever *receives* too much closes. The sender finds 1009 in `rcvd`.
# - **Black hole**: `sent` is 1011, for your own library gave up when no pong came; but `close_code` is 1006, for nothing was received. On the
#   wire, the second picture, the client's close frame (**arrow 4**) leaves and does not arrive. The server has noticed nothing.
# - Before you read `exc.rcvd.code`, ask whether `exc.rcvd` is `None`.
#
# </details>
#
# **May you send 1006 yourself?** And a long explanation with it?

# %%
async with connect(shop.url) as ws:
    for code, reason in ((1006, ""), (1000, "x" * 124)):
        try:
            await ws.close(code, reason)
        except Exception as exc:
            print(f"{code}, {len(reason)} bytes of reason: {type(exc).__name__}: {exc}")

# %% [markdown]
# 1005 and 1006 *must not* stand in a close frame (RFC 6455, 7.4.1). And a close frame is a control frame, at most 125 bytes (5.5); two of them are
# the code, so 123 are left for the reason.
#
# **What now?** The table tells the client what to do next, if it asks: *what must change before a new attempt can succeed?*
#
# | what must change | for example | so |
# |---|---|---|
# | nothing; the conversation is over | 1000 | done |
# | nothing; the server or the way will be back | 1001, 1006, 1011, 1012 | connect again, after a pause that grows (lesson 4) |
# | time must pass | 1013, *try again later* (IANA's list of close codes) | connect again, much later |
# | the token | 4401, the number that we chose in the private range (RFC 6455, 7.4.2) for what HTTP calls 401 | get a new token first |
# | the program | 1008, 1009 | repair it: the same message would end in the same way |
#
# **Your turn.** Exercises [7.1 The table of ends and 7.4 What now?](../exercises/07_error_handling.ipynb) use this section.

# %% [markdown]
# ## 6 Three troubles that raise nothing
#
# The worst errors take no path of the diagram: nothing is raised where the fault is.
#
# ### A blocked loop
#
# This kitchen uses `time.sleep` where it should `await`. Ada orders coffee. Bob sends no message; his client sends a ping every 0.1 seconds and
# waits 0.05 seconds for the pong. (`background=True` gives the server a thread and a loop of its own, so that it does not stop this notebook.)
#
# **Predict** what Bob's client sees: its `close_code`, and the code in `exc.sent`.

# %%
predict("e7.6", "Bob only listens. With which codes does his connection end?", close_code=..., sent=...)


# %%
async def kitchen(ws):
    async for text in ws:
        time.sleep(0.3)
        await ws.send(f"{text} is ready")


server = await serve(kitchen, name="Kitchen", background=True)
with record(server) as blocked:
    async with connect(f"{server.url}/?name=Ada") as ada:
        async with connect(f"{server.url}/?name=Bob", ping_interval=0.1, ping_timeout=0.05) as bob:
            await blocked.settled()
            await ada.send("coffee")
            seen = await seen_by(bob)
            await ada.recv()
        await blocked.settled()
    await blocked.settled()
reveal("e7.6", blocked, close_code=seen[3], sent=seen[2])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The same codes as with the black hole: to Bob's library a server that stands still and a server that is gone look alike. Its close frame,
# **arrow 6**, says *keepalive ping timeout*. The server's answer (**arrow 8**) came too late: whoever has given up a connection must not listen to it
# any more (RFC 6455, 7.1.7). Bob did nothing wrong; Ada's coffee threw him out.
#
# The cure: `await`, or `asyncio.to_thread(...)` for what cannot be awaited.
#
# </details>
#
# ### A half-open connection
#
# The black hole once more, now without pings. `asyncio.timeout` gives up after 0.2 seconds.

# %%
with record(ends) as half_open:
    async with connect(ends.url, ping_interval=None, close_timeout=0.1) as ws:
        await half_open.settled()
        ends.tap.blackhole()
        await ws.send("1000")
        try:
            async with asyncio.timeout(0.2):
                await ws.recv()
        except TimeoutError:
            print("no answer within 0.2 s, and no error")
        print("to the client the connection is", ws.state.name)
        print("to the server every connection is", *{connection.state.name for connection in ends.connections})
    await half_open.settled()
half_open

# %% [markdown]
# `send` raised nothing (**arrow 3** vanished), and for both sides the connection is open: it is *[half-open](glossary.md#h-to-k)*. TCP by itself does not help soon enough
# (websockets documentation, *Keepalive and latency*); a ping does, as the table has shown. Without it a ghost sits in your room (lesson 6).
#
# **Do pings tell everything?** Here is a handler that waits for something else and never reads.


# %%
async def deaf(ws):
    await ws.wait_closed()


server = await serve(deaf, name="Deaf server")
with record(server) as heartbeat:
    async with connect(server.url) as ws:
        pong = await ws.ping("alive?")
        await pong
        await ws.send(json.dumps({"type": "heartbeat"}))
        try:
            async with asyncio.timeout(0.2):
                await ws.recv()
        except TimeoutError:
            print("a pong, but no answer to the heartbeat")
        await heartbeat.settled()
    await heartbeat.settled()
heartbeat

# %% [markdown]
# **Arrow 4**, the pong, comes from the *library*. That the program behind it is deaf shows only in **arrow 5**, which nobody answers. If you want to know whether the
# *program* lives, send a message of its own that its handler must answer: an *[application heartbeat](glossary.md#a)*. A browser needs it anyway: its `WebSocket` has no
# method that sends a ping (WHATWG, *WebSockets Standard*).
#
# ### A slow reader
#
# A server sends and sends. The client is there, but it does not read. Does `send` return all the same? (`stuck` is an `Event`, a flag for which one can
# wait: the client begins to read when a `send` has not returned for 0.2 seconds.)


# %%
async def feed(ws):
    try:
        while True:
            async with asyncio.timeout(0.2):
                sent.append(100_000)
                await ws.send(bytes(100_000))
    except TimeoutError:
        stuck.set()


sent, stuck = [], asyncio.Event()
server = await serve(feed, name="Feed")
async with connect(server.url) as ws:
    await stuck.wait()
    print("send() waits: the reader does not read")
    received = [len(message) async for message in ws]
print("received in the end:", "everything" if sum(received) == sum(sent) else "not everything")

# %% [markdown]
# First the messages fill the buffers on the way. When all are full, `send` **waits** until the reader reads (websockets documentation, *Memory and
# buffers*). This is *[back-pressure](glossary.md#b)*, and it is a blessing: without it the server's memory would fill up. But a loop that sends to *everybody* one by
# one now stands still for everybody. How to protect the others: exercise 4.3.
#
# ## The diagram from memory
#
# Without scrolling up: an order of tea, then an order of cake in the shop that keeps its alerts in tasks. Both were connected before: no handshake, no
# close. Write down all arrows, from `Client`, `Shop`, `Log` or `Admin` to one of them, such as `"Client -> Shop: TEXT"`. What goes to the log is
# `ERROR` or `INFO`, everything else `TEXT`.

# %%
predict("m7", "All arrows of the two paths, from memory.", arrows=...)

# %%
reveal("m7", kept)

# %% [markdown]
# ## Exercises
#
# [Exercises 7](../exercises/07_error_handling.ipynb): **7.2 One bad message** (★★). *Going further*, when you like: **7.1 The table of ends** (★), **7.3
# Respond, log, notify** (★★★), **7.4 What now?** (★★) and **7.5 A test that catches a leak** (★★).
#
# ## You have now seen
#
# - the success path and the error path on one connection, and a success after the error;
# - reply, log and alert tied together by an `error_id`; the alert in a kept task, gathered and without secrets;
# - ten ends, what a client sees of each, and what it should do next;
# - a blocked loop, a half-open connection and a slow reader, and what tells them apart: pings, a heartbeat, back-pressure.
#
# **Next:** the exercises, then [lesson 8](08_summary.ipynb): the whole course in four recordings of your own.
#
# ## Further reading
#
# - RFC 6455, section 5.5.1 (close frames), 7.1.5 (the close code), 7.4.1 (what the codes mean), 7.4.2 (which numbers are yours);
# - websockets documentation: *Keepalive and latency*, *Memory and buffers*, *Exceptions*; in the FAQ *Both sides*, what the two most
#   frequent texts of `ConnectionClosedError` mean;
# - Python documentation: `asyncio.create_task` (keep a reference), `asyncio.to_thread`, *Logging HOWTO*.
#
# The last cell stops all servers, and looks whether an alert is still under way.

# %%
for running in running_servers():
    await running.stop()
assert running_servers() == [] and not alerts
