# %% [markdown]
# # 5 · Header and body
#
# About 60 minutes, with one exercise, and two more to go further. You need lessons [0](00_start_here.ipynb) to [3](03_patterns.ipynb): a
# recording, an `id` in a message, a token, a status and a close code.
#
# **In this lesson you will**
#
# - find header and body in HTTP, and see what is left of them on a WebSocket;
# - read a frame bit by bit, take off its mask, and compute what it costs;
# - tell message, frame and TCP chunk apart;
# - put header and body into the message itself, and see why valid JSON is not yet a valid message;
# - agree on a format once, and compare JSON, XML and a binary format, plain and compressed.

# %%
import asyncio
import json
import random
import time
from xml.etree import ElementTree

import aiohttp
import defusedxml.ElementTree
import msgpack
from aiohttp import web
from IPython.display import display
from websockets import ConnectionClosed, InvalidStatus, connect

from wslab import charts, predict, record, reveal, running_servers, seed, serve, serve_app

# %% [markdown]
# ## Before you start: three questions from memory
#
# Do not look them up. A client sends its requests all at once. The server is *sequential*; it answers a request without work with an error
# message. When all are answered, the token has run out, and the server closes with 4401. The cell below shows your requests.
#
# 1. How many seconds from the first request until the last answer? (lesson 2)
# 2. How many of the requests *behind* the bad one still get a proper answer? (lesson 3)
# 3. Which call of the client finds out that the token has run out, `"connect"`, `"send"` or `"recv"`? (lesson 3)

# %%
work = random.Random(seed() + 5).choice([[0.05, None, 0.1, 0.05], [0.1, 0.1, None, 0.05], [None, 0.1, 0.05, 0.1]])
print("seconds of work, None in the bad request:", work)
predict("r5", "Seconds, proper answers behind the bad request, and the call?", seconds=..., answers=..., call=...)


# %%
async def quiz(ws):
    for seconds in work:
        await ws.recv()
        await asyncio.sleep(seconds or 0)
        await ws.send("error" if seconds is None else "answer")
    await ws.close(4401, "token expired")


quiz_server, answers = await serve(quiz, name="Quiz server"), []
with record(quiz_server) as recording:
    async with connect(quiz_server.url) as ws:
        began = time.perf_counter()
        for seconds in work:
            await ws.send(json.dumps({"work": seconds}))
        try:
            while True:
                answers.append(await ws.recv())
                took = time.perf_counter() - began
        except ConnectionClosed:
            call = "recv"
    await recording.settled()
behind = answers[answers.index("error") :].count("answer")
reveal("r5", recording, seconds=took, answers=behind, call=call)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The server works in turns, so the time is the sum. An error *within* leaves the connection open: everything behind it is answered. The
# close code comes at the end, and it is `recv` that raises.
#
# </details>
#
# ## 1 The diagram
#
# ```
# Data Format:
# ┌──────────────────────────────┐
# │  Header                      │
# │  - Content-Type              │
# │  - Authorization             │
# │  - Other metadata            │
# ├──────────────────────────────┤
# │  Body                        │
# │  - Actual data payload       │
# │  - JSON, XML, or other       │
# └──────────────────────────────┘
# ```
#
# **What does this picture promise?** Say it in one sentence: what does a receiver know before it looks at the body?
#
# It is a picture of HTTP. Here is the HTTP that most applications begin with: a login, once right, once wrong. The program shows a key of
# its own (`Authorization`), and its user a password (in the body). The kit hides both, unless a cell asks to see one: `reveal=` names the
# key. (`display` shows several pictures: here the recording, then the first of its arrows as header and body, then the last.)


# %%
async def login(request):
    asked = await request.json()
    if asked["password"] == "demo1":
        return web.json_response({"welcome": asked["user"]})
    refusal = {"error": "wrong name or password"}
    return web.json_response(refusal, status=401, headers={"WWW-Authenticate": "Bearer"})


app = web.Application()
app.add_routes([web.post("/login", login)])
site = await serve_app(app, name="Web server")
key = {"Authorization": "Bearer demo-app"}
with record(site, reveal=["demo-app"]) as logins:
    async with aiohttp.ClientSession(site.url, headers=key) as http:
        for password in ("demo1", "guess"):
            async with http.post("/login", json={"user": "ada", "password": password}) as answer:
                await answer.json()
    await logins.settled()
display(logins, logins.parts(1), logins.parts(4))

# %% [markdown]
# **Arrow 1**, the login, is the diagram with its lines filled in: `Content-Type` says how to read the body (RFC 9110 8.3), `Authorization`
# who asks, and there are some more metadata. (The stars in the body are the password.) And **arrow 4**, the refusal, has the same two boxes.
# Each message of HTTP, in both directions, brings its own header.
#
# Now a WebSocket. Its opening handshake is HTTP too. One client shows the key and gets the 101; another one shows nothing and gets a 401.
# **Predict**: which of the three has a *body*, the GET that is accepted, its 101, the 401? `"yes"` or `"no"` for each.

# %%
predict("e5.1", "Which of these has a body?", get=..., accepted=..., refused=...)


# %%
def door(connection, request):
    if "Authorization" not in request.headers:  # a real door looks at its value: lesson 3
        refusal = connection.respond(401, "who are you?\n")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal


async def echo(ws):
    async for message in ws:
        await ws.send(message)


guarded = await serve(echo, name="Guarded server", process_request=door)
with record(guarded, reveal=["demo-app"]) as handshakes:
    async with connect(guarded.url, additional_headers=key):
        await handshakes.settled()
    await handshakes.settled()
    try:
        await connect(guarded.url)
    except InvalidStatus as exc:
        print(f"{type(exc).__name__}: {exc}")
    await handshakes.settled()

# %%
has_body = {number: "yes" if handshakes.arrow(number).length else "no" for number in (1, 2, 7)}
display(
    reveal("e5.1", handshakes.parts(1), get=has_body[1]),
    reveal("e5.1", handshakes.parts(2), accepted=has_body[2]),
    reveal("e5.1", handshakes.parts(7), refused=has_body[7]),
)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# Only the refusal has one, and a `Content-Type` for it. An accepted handshake is **header only**: a 101 never has a body (RFC 9110 6.4.1).
# The key is in the GET, once for the whole connection.
#
# What is in the recording that is not in the diagram? The end of it: below the 101 there is no HTTP any more. Then where does a message say
# what it is?
#
# </details>
#
# ## 2 A frame, bit by bit
#
# The client sends `hello`, an echo server sends it back. These are the bytes of the echo:

# %%
echo_server = await serve(echo, name="Echo server")
with record(echo_server) as hello:
    async with connect(echo_server.url) as ws:
        await ws.send("hello")
        await ws.recv()
    await hello.settled()
hello.bytes(4)

# %% [markdown]
# `81 05 68 65 6c 6c 6f`: two bytes of header, five of body. All that the header says (RFC 6455 5.2):
#
# | bits | name | here |
# |---|---|---|
# | `1` | FIN | the message ends with this frame |
# | `000` | RSV | for extensions; section 8 uses one |
# | `0001` | opcode | what it is: 1 is text |
# | `0` | MASK | not masked |
# | `0000101` | length | 5 bytes |
#
# No `Content-Type`, no `Authorization`, no metadata of yours: there is no room for any.
#
# **Find the proof.** The client now sends `b"hello"`, then `"hello!"`. Compare the header of each echo with `81 05`. **Which byte**
# differs, 0 or 1?

# %%
predict("e5.2", "Which byte of the header differs: for bytes, and for a longer text?", for_bytes=..., for_longer=...)

# %%
with record(echo_server) as variants:
    async with connect(echo_server.url) as ws:
        for message in (b"hello", "hello!"):
            await ws.send(message)
            await ws.recv()
    await variants.settled()
headers = [hello.arrow(4).raw[:2], variants.arrow(4).raw[:2], variants.arrow(6).raw[:2]]
differs = [0 if header[0] != headers[0][0] else 1 for header in headers[1:]]
rows = [[sent, header.hex(" ")] for sent, header in zip(['"hello"', 'b"hello"', '"hello!"'], headers, strict=True)]
picture = charts.table(rows, ["sent", "bytes 0 and 1"], title="Byte 0 says what it is, byte 1 how long")
reveal("e5.2", picture, for_bytes=differs[0], for_longer=differs[1])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what it means</summary>
#
# `bytes` travel with opcode 2 (*binary*): byte 0 is 82. The length is in byte 1: 06.
#
# </details>
#
# The same `hello` on its way **up**, arrow 3 of the first recording: MASK is 1, so byte 1 is `85`, and after it come four bytes of *key*. A
# client has to mask every frame, a server must not (RFC 6455 5.1). To mask is to combine each byte of the payload with one of the key by
# XOR, in Python `^`: a bit stays where the key has a 0 and turns where it has a 1. Do it twice, and each bit is back. So three lines take
# the mask off:

# %%
display(hello.bytes(3))
frame = hello.arrow(3).raw
mask, masked = frame[2:6], frame[6:]
print(bytes(byte ^ mask[number % 4] for number, byte in enumerate(masked)))

# %% [markdown]
# The key stands beside what it masks, so this hides nothing. It keeps a page from choosing the bytes that go over the line: proxies that
# know no WebSocket could take them for HTTP (RFC 6455 10.3).
#
# ## 3 What a frame costs
#
# The length has seven bits, so it ends at 127. Longer payloads need another form (RFC 6455 5.2):
#
# | the seven bits | the length |
# |---|---|
# | 0 to 125 | is this number |
# | 126 | is in the next **2** bytes |
# | 127 | is in the next **8** bytes |
#
# The shortest form that fits must be used. A client's frame has its 4 bytes of key as well.
#
# The cell below picks three payloads for you. **Predict** how many bytes each frame takes, header included: a list of three numbers up,
# from the client, and one down.

# %%
dice = random.Random(seed() + 51)
lengths = [dice.randint(20, 125), dice.randint(126, 9999), dice.randint(65536, 99999)]
print("bytes of payload:", lengths)
predict("p5.1", f"Payloads of {lengths} bytes: how many bytes on the wire?", up=..., down=...)

# %%
with record(echo_server) as three_sizes:
    async with connect(echo_server.url) as ws:
        for length in lengths:
            await ws.send("x" * length)
            await ws.recv()
    await three_sizes.settled()
up = [three_sizes.arrow(number).wire_bytes for number in (3, 5, 7)]
down = [three_sizes.arrow(number).wire_bytes for number in (4, 6, 8)]
rows = [[n, u, u - n, d, d - n] for n, u, d in zip(lengths, up, down, strict=True)]
columns = ["payload", "up", "header up", "down", "header down"]
reveal("p5.1", charts.table(rows, columns, title="A header has 2 to 14 bytes"), up=up, down=down)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the table shows</summary>
#
# 6, 8 and 14 bytes of header up; 2, 4 and 10 down. That is all that a message costs beyond itself; each message of HTTP in section 1 brought
# more than a hundred.
#
# </details>
#
# **Change one thing.** The lengths at the borders, and the first ten bytes of each echo:

# %%
with record(echo_server) as borders:
    async with connect(echo_server.url) as ws:
        for length in (125, 126, 65535, 65536):
            await ws.send("x" * length)
            await ws.recv()
    await borders.settled()
for number in (4, 6, 8, 10):
    print(f"{borders.arrow(number).length:>5}:", borders.arrow(number).raw[:10].hex(" "))

# %% [markdown]
# `7d` is 125. `7e` is 126, so the length follows in two bytes: `00 7e`. `7f` is 127: eight bytes. The byte that counts most comes first
# (*network order*). The rest is `78`, the letter x.
#
# **Your turn, to go further.** In exercise [5.1 Read the frame](../exercises/05_data_format.ipynb) you write a function that takes frames
# apart, fragments and control frames too. Section 4 shows those.
#
# ## 4 Message, frame, chunk
#
# A server keeps what its client sends. The client sends a text, bytes that look like JSON, and a *list* of two texts; then it pings. (And it
# tries to send a dictionary. What the library says to that is printed.)
#
# **Predict.** What arrives in the handler for `send(b'{"a":1}')`: `"str"`, `"bytes"` or `"dict"`? And `send(["a", "b"])`: how many
# **frames** is that on the wire, and which **messages** arrive in the handler, as a list?

# %%
predict("p5.3", "What arrives for send(b'{\"a\":1}'): str, bytes or dict?", type=...)
predict("p5.2", 'send(["a", "b"]): how many frames, and which messages arrive?', frames=..., messages=...)

# %%
kept = []


async def keep(ws):
    async for message in ws:
        kept.append(message)


keeper = await serve(keep, name="Keeper")
with record(keeper) as kinds:
    async with connect(keeper.url) as ws:
        await ws.send("text")
        await ws.send(b'{"a":1}')
        await ws.send(["a", "b"])
        try:
            await ws.send({"a": 1})
        except TypeError as exc:
            print(f"{type(exc).__name__}: {exc}")
        await kinds.settled()
        pong = await ws.ping("are you there?")
        await pong
        await kinds.settled()
    await kinds.settled()
reveal("p5.3", kinds.bytes(4), type=type(kept[1]).__name__)

# %%
fragments = [event for event in kinds.trace if event.up and (event.kind == "continuation" or not event.fin)]
reveal("p5.2", kinds, frames=len(fragments), messages=kept[2:])

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# **Arrow 4**: what is sent as `bytes` is a binary frame and arrives as `bytes`. Nobody looks into it; that it could be JSON is between your
# programs.
#
# **Arrows 5 to 7** are *[fragments](glossary.md#d-to-f)* of one message, `"ab"`. The first has the opcode, the others are *continuations*
# (opcode 0), and only the last has FIN 1 (RFC 6455 5.4). Here it is empty: when it sent `"b"`, the library did not know yet that nothing
# more would come.
#
# **Arrows 8 to 11** are *[control frames](glossary.md#c)*: ping, pong, close. They speak to the other end's library; `kept` has none of
# them.
#
# </details>
#
# The dictionary was not sent: to send JSON is to call `json.dumps` yourself.
#
# Now below the frames. TCP carries bytes; where a frame ends, it does not know. To see that, we do without the library:
# `asyncio.open_connection` gives the bare bytes, and we write the GET ourselves. The server sends three messages at once.

# %%
get = b"GET /?name=Bare HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
get += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"


async def three(ws):
    for text in ("one", "two", "three"):
        await ws.send(text)
    await ws.wait_closed()


async def bare(server):
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(get)
    await reader.readuntil(b"\r\n\r\n")  # the 101
    return reader, writer


# %%
three_server = await serve(three, name="Three")
with record(three_server) as stream:
    reader, writer = await bare(three_server)
    await stream.settled()
    chunk = await reader.read(4096)
    writer.close()
    await stream.settled()
print("one read:", chunk)
while chunk:
    end = 2 + chunk[1]  # good for short frames without a mask
    print("a frame: ", chunk[:end])
    chunk = chunk[end:]
stream

# %% [markdown]
# Three sends, three frames (**arrows 3 to 5**), and **one** read: when we read, all three had arrived. Where a frame ends, only its length
# tells.
#
# And the reverse: one message of 300,000 bytes. Each read takes what has arrived, 65,536 bytes at most.


# %%
async def large(ws):
    await ws.send(b"x" * 300_000)
    await ws.wait_closed()


large_server = await serve(large, name="Large")
reader, writer = await bare(large_server)
left, reads = 10 + 300_000, 0
while left and (chunk := await reader.read(65536)):
    left -= len(chunk)
    reads += 1
writer.close()
charts.bars({"messages": 1, "frames": 1, "reads": reads}, title="One message, one frame, several reads")

# %% [markdown]
# A chunk of TCP may hold three frames, or a part of one; a message may be one frame, or three. `recv()` gives whole **messages**, and does
# all this for you. Never count frames or chunks.
#
# ## 5 The envelope
#
# `Content-Type`, who asks, for which request: a frame has no place for it. So applications put their header **into** the message, as an
# object around its body: an *[envelope](glossary.md#d-to-f)*. Ours has `v` (the version of the envelope), `type`, `id`, `meta` and `body`.
# A shop, where each piece costs 4. Of one order we look at arrow 3 twice: as the wire sees it, and as the two programs see it.


# %%
async def shop(ws):  # 1 accept
    async for text in ws:  # 2 read
        message = json.loads(text)
        await ws.send(json.dumps(priced(message)))  # 4 answer
    # 5 clean up: nothing is left to do


def priced(message):  # 3 decide
    price = 4 * message["body"]["pieces"]
    return {"v": 1, "type": "price", "id": message["id"], "meta": {}, "body": {"price": price}}


shop_server = await serve(shop, name="Shop")
order = {"v": 1, "type": "order", "id": 7, "meta": {"lang": "en"}, "body": {"item": "jam", "pieces": 3}}
with record(shop_server) as sale:
    async with connect(shop_server.url) as ws:
        await ws.send(json.dumps(order))
        await ws.recv()
    await sale.settled()
display(sale.parts(3), sale.parts(3, envelope=True))

# %% [markdown]
# To the wire the header is that of the frame, and everything of ours is body. To the programs it is the diagram again, **one level up**.
# Its lines have moved:
#
# | in the diagram | over HTTP | over a WebSocket |
# |---|---|---|
# | Content-Type | in each message | agreed once (section 7); `type` in the envelope says what it is about |
# | Authorization | in each request | once: in the handshake or the first message (lesson 3) |
# | other metadata | in each message | `v`, `id`, `meta` in the envelope |
# | body | body | `body` |
#
# **Valid JSON is not yet a valid message.** Four clients send the texts in the cell below. **Predict**, as lists of letters such as `["a",
# "b"]`: which of them does Python's `json.loads` take? And which does the shop answer?

# %%
texts = {
    "a": str({"type": "order", "id": 7, "body": {"pieces": 3}}),
    "b": "null",
    "c": "3",
    "d": '{"type": "order", "id": 7, "body": {"pieces": NaN}}',
}
for name, text in texts.items():
    print(name, text)
predict("e5.5", "Which texts does json.loads take, and which does the shop answer?", taken=..., answered=...)


# %%
async def is_answered(name, text):
    try:
        async with connect(f"{shop_server.url}/?name={name}") as ws:
            await ws.send(text)
            await ws.recv()
            return True
    except ConnectionClosed:
        return False


taken, answered = [], []
with record(shop_server) as recording:
    for name, text in texts.items():
        try:
            json.loads(text)
            taken.append(name)
        except ValueError:
            pass
        if await is_answered(name, text):
            answered.append(name)
        await recording.settled()
trusting = recording.without("Log")  # what the server wrote to its log is for lesson 7
display(reveal("e5.5", trusting, taken=taken, answered=answered), reveal("e5.5", trusting.parts(22, envelope=True)))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# **a** is what `str` makes of a dictionary: its quotes are Python's, and no JSON. `null` and `3` *are* JSON (RFC 8259 2), and
# `message["body"]` fails with them: the connection ends with 1011.
#
# The worst is **d**, for it gets an answer (**arrow 22**; the second picture has its envelope). `NaN` (*not a number*) is no JSON (RFC 8259 6), but Python
# reads it and computes with it, and the shop sends its own `NaN` to others, whose readers may refuse it.
#
# </details>
#
# **The repair**: a message is checked before anybody uses it.


# %%
def refuse(name):
    raise ValueError(f"{name} is not JSON")


def opened(text):
    message = json.loads(text, parse_constant=refuse)  # called for NaN, Infinity, -Infinity
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


async def careful(ws):
    async for text in ws:
        try:
            reply = priced(opened(text))
        except (ValueError, LookupError, TypeError, RecursionError):  # no JSON, no body, no number, nested too deeply
            reply = {"v": 1, "type": "error", "id": None, "meta": {}, "body": "bad message"}
        await ws.send(json.dumps(reply, allow_nan=False))


# %%
careful_server = await serve(careful, name="Careful shop")
with record(careful_server) as checked:
    async with connect(careful_server.url) as ws:
        for text in [*texts.values(), json.dumps(order)]:
            await ws.send(text)
            await ws.recv()
    await checked.settled()
checked

# %% [markdown]
# Four errors within, and **arrow 12** is the price for an honest order, on the same connection. `allow_nan=False` is the other direction:
# `json.dumps` then raises an exception rather than write `NaN`.
#
# Much still gets through: an object without a `type`, a message that is too large, or binary. **Your turn.** Exercise
# [5.2 The envelope](../exercises/05_data_format.ipynb) stops these too.

# %% [markdown]
# ## 6 JSON, XML, or other
#
# What stands in the body's last line? One content in three formats: JSON; XML; and *MessagePack*, a binary format. First a danger. XML lets
# a text define abbreviations (*entities*), and abbreviations of abbreviations:

# %%
ten = "&a;" * 10
bomb = f'<!DOCTYPE m [<!ENTITY a "ha"><!ENTITY b "{ten}"><!ENTITY c "{ten.replace("a", "b")}">]><m>&c;&c;&c;&c;</m>'
print(len(bomb), "characters become", len(ElementTree.fromstring(bomb).text))
try:
    defusedxml.ElementTree.fromstring(bomb)
except ValueError as exc:
    print(f"{type(exc).__name__}: {exc}")

# %% [markdown]
# Every further entity makes it ten times larger. What others send is therefore read with `defusedxml`, which refuses entities; to write,
# Python's own `ElementTree` will do.
#
# The content is `{"item": "fish & chips", "pieces": 3}`. **Predict**: which of the three is the smallest, which the largest? And what is
# `pieces` when it has been read again, `"int"` or `"str"`: a list in the order JSON, XML, MessagePack.

# %%
predict("e5.6", "JSON, XML, MessagePack: sizes, and types?", smallest=..., largest=..., types=...)


# %%
def to_xml(message):
    root = ElementTree.Element("message")
    for key, value in message.items():
        ElementTree.SubElement(root, key).text = str(value)
    return ElementTree.tostring(root, encoding="unicode")


def from_xml(text):
    return {child.tag: child.text for child in defusedxml.ElementTree.fromstring(text)}


formats = {"JSON": (json.dumps, json.loads), "XML": (to_xml, from_xml), "MessagePack": (msgpack.packb, msgpack.unpackb)}
content = {"item": "fish & chips", "pieces": 3}
sizes, types = {}, []
with record(echo_server, title="One content in three formats") as three_formats:
    async with connect(echo_server.url) as ws:
        for name, (write, read) in formats.items():
            await ws.send(write(content))
            again = read(await ws.recv())
            sizes[name] = len(write(content))
            types.append(type(again["pieces"]).__name__)
    await three_formats.settled()
by_size = sorted(sizes, key=sizes.get)
reveal("e5.6", three_formats, smallest=by_size[0], largest=by_size[-1], types=types)

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# The sizes stand beside the arrows. **Arrows 3 and 5** are text frames, **arrow 7** is binary: MessagePack is not made to be read by
# people. XML writes each name twice, and it has no numbers: the 3 comes back as a text, and both sides must know that it means one. (`&`
# became `&amp;`, so that it cannot be taken for the beginning of an entity. Never put XML together by hand.)
#
# </details>
#
# And the time that it takes? To write and to read again, many times, on this machine:

# %%
micros = {}
for name, (write, read) in formats.items():
    began = time.perf_counter()
    for _ in range(300):
        read(write(content))
    micros[name] = (time.perf_counter() - began) / 300 * 1e6
charts.bars(micros, title="XML takes longest", unit="microseconds to write and read one message")

# %% [markdown]
# The chart compares three libraries as much as three formats. JSON needs no library beside Python's own, and people can read it in every
# recording.
#
# ## 7 Agree once
#
# How does a client know which format the server speaks? The frame does not say, so they agree **before**, in the handshake. The client
# offers *[subprotocols](glossary.md#s)*, the server chooses one (RFC 6455 1.9). The names are ours; `v1` leaves room for later.
#
# A server knows `kit.json.v1` and `kit.xml.v1`, in this order, and sends one order in the format that was agreed. Ada offers XML and JSON,
# in this order. Bob offers XML. Eve offers `kit.yaml.v1` only. **Predict** what each of them gets: `"json"`, `"xml"` or `"refused"`?

# %%
predict("e5.7", "Ada offers XML and JSON, Bob XML, Eve YAML: what does each get?", ada=..., bob=..., eve=...)

# %%
writers = {"kit.json.v1": json.dumps, "kit.xml.v1": to_xml}


async def offer(ws):
    await ws.send(writers[ws.subprotocol](content))
    await ws.wait_closed()


agreeing = await serve(offer, name="Agreeing server", subprotocols=list(writers))
offers = {"Ada": ["kit.xml.v1", "kit.json.v1"], "Bob": ["kit.xml.v1"], "Eve": ["kit.yaml.v1"]}
got = {}
with record(agreeing) as agreed:
    for name, subprotocols in offers.items():
        try:
            async with connect(f"{agreeing.url}/?name={name}", subprotocols=subprotocols) as ws:
                await ws.recv()
                got[name.lower()] = ws.subprotocol.split(".")[1]
        except InvalidStatus:
            got[name.lower()] = "refused"
        await agreed.settled()
display(reveal("e5.7", agreed, **got), reveal("e5.7", agreed.parts(2)))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# Each gets the same content, JSON in **arrow 3**, XML in **arrow 9**: the format belongs to the connection. Ada preferred XML, but it is
# the *server's* order that counts with this library. Eve is refused with 400 (**arrow 14**): better no connection than one on which nobody
# understands the other.
#
# And where was it agreed? The second picture is Ada's 101, **arrow 2**: `Sec-WebSocket-Protocol`.
#
# </details>
#
# `Sec-WebSocket-Protocol` is the `Content-Type` of a connection: once, for every message, in both directions. So no message needs a line
# that says *this is JSON*.
#
# **Your turn, to go further.** In exercise [5.3 Agree once](../exercises/05_data_format.ipynb) your server reads *and* writes both formats,
# for two clients at once.

# %% [markdown]
# ## 8 Smaller
#
# One more thing can be agreed in the handshake: to compress messages. The library offers it by default; our servers decline, so that you
# can read the bytes. One that does not: `compression="deflate"`.
#
# A client sends the **same** order twice, first to a server without compression, then to one with it. **Predict**: how large is the second
# copy on the wire, compared with the first: `"same"`, `"smaller"` or `"larger"`?

# %%
predict("e5.8", "The same text twice: how large is the second frame?", off=..., on=...)

# %%
packing = await serve(echo, name="Packing server", compression="deflate")
recordings = {}
for name, server in {"off": echo_server, "on": packing}.items():
    with record(server) as recordings[name]:
        async with connect(server.url) as ws:
            for _ in range(2):
                await ws.send(json.dumps(order))
                await ws.recv()
        await recordings[name].settled()
wire, compared = {}, {}
for name, recording in recordings.items():
    first, second = recording.arrow(3).wire_bytes, recording.arrow(5).wire_bytes
    wire |= {f"{name}, first copy": first, f"{name}, second copy": second}
    compared[name] = "same" if first == second else "smaller" if second < first else "larger"
bars = charts.bars(wire, title="Compressed, the second copy almost vanishes", unit="bytes on the wire")
display(reveal("e5.8", bars, **compared), reveal("e5.8", recordings["on"].bytes(5)))

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the pictures show</summary>
#
# With compression the second copy is little more than the sentence *the same as before*: both ends keep what has been sent and point back
# into it (RFC 7692 7.1.1). Envelopes repeat their keys in every message; that is what becomes cheap. The price is memory for each
# connection (websockets documentation, *Compression*).
#
# How large exactly depends on the compressor, so the numbers stand in the picture only.
#
# How does the receiver know that a frame is compressed? The second picture is that copy: byte 0 is `c1` now. The first of the three RSV bits
# is 1, and the handshake has given it this meaning (RFC 7692 6).
#
# </details>
#
# ## The diagram from memory
#
# Without scrolling up: the arrows of section 4, from opening to end. The client calls `send("text")`, `send(b'{"a":1}')`, `send(["a",
# "b"])`, `ping("are you there?")`, and leaves. One text for each arrow, such as `"Client -> Keeper: GET"`; for a frame its kind, such as
# `TEXT` or `CONTINUATION`; the last one is `TCP end`.

# %%
predict("m5", "All arrows of section 4, from memory.", arrows=...)

# %%
reveal("m5", kinds)

# %% [markdown]
# ## Exercises
#
# [Exercises 5](../exercises/05_data_format.ipynb): **5.2 The envelope** (★★, 25 minutes). *Going further*, when you like: **5.1 Read the
# frame** (★★★, 35 minutes), and **5.3 Agree once** (★★, 25 minutes).
#
# ## You have now seen
#
# - header and body in HTTP, in both directions, and an opening handshake that is header only;
# - each bit of a frame's header, a mask taken off in three lines, and 2 to 14 bytes that a frame costs;
# - one message in three frames, three frames in one read, one frame in several reads;
# - an envelope: header and body, one level up; and texts that are JSON and no messages;
# - a format agreed once, by subprotocol; JSON, XML and MessagePack side by side; and a second copy that almost vanished.
#
# ## Further reading
#
# - RFC 6455, section 1.9 (subprotocols), 5.2 (the bits of a frame), 5.3 (masking), 5.4 (fragments), 5.5 (control frames), 10.3 (why there is a mask);
# - RFC 7692, section 6 and 7 (compression); RFC 8259 (JSON); RFC 9110, section 8.3 (`Content-Type`);
# - websockets documentation: *Compression*; MessagePack specification;
# - Python documentation: `json`, `xml.etree.ElementTree`, *XML Processing Modules*.
#
# **Next:** the exercises, then [lesson 6](06_state.ipynb): what a server remembers, and where.
#
# The last cell of each lesson stops its servers.

# %%
for running in running_servers():
    await running.stop()
assert running_servers() == []
