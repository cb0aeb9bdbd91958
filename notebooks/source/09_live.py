# %% [markdown]
# # 9 · Going further: live, bit by bit, line by line
#
# About 40 minutes; nothing later needs it. You need lessons [2](02_request_response.ipynb) and [5](05_data_format.ipynb): a handler, a recording, the bits of
# a frame.
#
# So far you looked at recordings afterwards. Four instruments go closer.
#
# **In this lesson you will**
#
# - watch frames as they cross, and be the client yourself, with this browser's own `WebSocket`;
# - change single bits of a recorded frame, send it, and predict what a real server answers;
# - ask a recording which line of your code sent an arrow;
# - see what holds the event loop, with its line.

# %%
import asyncio
import time

from websockets import connect

from wslab import observe_loop, predict, record, reveal, running_servers, serve
from wslab.framebench import FrameBench
from wslab.panel import open_panel

# %% [markdown]
# ## 1 The live panel
#
# A server that answers, and that leaves with a code of its own when it is told to.


# %%
async def echo(ws):
    async for message in ws:
        if message == "leave":
            await ws.close(4001, "as you wish")
        else:
            await ws.send(message)


server = await serve(echo)

# %% [markdown]
# The panel. It is not kept in the file, so run the cell to see it. It shows each frame when it crosses, like the network page of a browser's developer tools;
# and what that page leaves out: control frames, masks, fragments, close codes, the end of TCP.

# %%
panel = open_panel(server)
panel

# %% [markdown]
# Try, with the mouse or with Tab, arrow keys and Enter:
#
# 1. **Connect**, then send a text. Which bit do your frames have that the server's do not?
# 2. Choose one of your frames: its four random bytes are there, and your text is not, before they are applied.
# 3. Send `leave`. Which close code does the log below say, which one the rows above?
# 4. Connect again and close with code 4002 and a reason, then with code 1001. Who refuses the last one?
# 5. Run the cell below: Ada speaks, too. Follow her connection alone; then show control frames only.
# 6. **Pause**, run the cell again, go on.

# %%
async with connect(f"{server.url}/?name=Ada") as ada:
    await ada.send(["a message ", "in three ", "parts"])
    print(await ada.recv())
    await (await ada.ping())

# %% [markdown]
# <details><summary><b>After you have tried:</b> what there was to see</summary>
#
# 1. `MASK`: a client masks every frame, a server none (lesson 5).
# 2. The payload on the wire is your text XORed with the key, byte by byte.
# 3. 4001, both. The browser answers with the code that it got.
# 4. The browser itself, before anything is sent: a page may say 1000, or 3000 to 4999; the other codes are for browsers, servers and libraries.
# 5. Four frames for three parts: the library ends the message with an empty one. The pong is the server's, and no line of `echo` sent it.
# 6. Nothing is lost meanwhile: the panel holds it back and says how many rows there are.
#
# </details>
#
# **If your notebook runs on another computer** (JupyterHub, Binder), your browser cannot reach 127.0.0.1 there. The panel then goes *through Jupyter's proxy*,
# and says so. Compare step 3 with what you saw on your own machine: the code arrives at the proxy, and stays there.

# %% [markdown]
# ## 2 The frame bench
#
# A library only lets you send what is right. The bench does not: it takes a frame of a recording, changes what you say, and sends it, byte by byte, to the
# live server, on a connection of its own.

# %%
with record(server) as hello:
    async with connect(f"{server.url}/?name=Ada") as ada:
        await ada.send("hello")
        await ada.recv()
    await hello.settled()
bench = FrameBench(hello, 3)
bench

# %% [markdown]
# Sent as it is, it is answered like any other.

# %%
await bench.send()

# %% [markdown]
# **Predict.** Four copies of this frame, each with one thing changed:
#
# - `fin=False`: the bit says that more fragments will come;
# - `rsv=4`: the first reserved bit is set, and no extension was agreed on;
# - `mask=False`: the payload travels as it is;
# - `payload=b"\xff"`: one byte, which is no UTF-8.
#
# With which close code does the server answer each? Write 0 where it does not close.

# %%
predict("p9.1", "Which close code, or 0?", fin=..., rsv=..., mask=..., payload=...)

# %%
edits = {"fin": False, "rsv": 4, "mask": False, "payload": b"\xff"}
reactions = {name: await bench.send(**{name: value}) for name, value in edits.items()}


def code(recording):
    return next((event.code for event in recording.trace if not event.up and event.kind == "close"), 0)


reveal("p9.1", reactions["mask"], **{name: code(recording) for name, recording in reactions.items()})

# %% [markdown]
# <details><summary><b>After your prediction:</b> what the picture shows</summary>
#
# An unfinished message is no error: the server waits for the rest, and would wait for ever. A reserved bit and a missing mask break the protocol: 1002. Bytes that
# are no UTF-8 break only the promise of a text message: 1007. The reason says which rule it was; the words are the library's own.
#
# </details>
#
# Two frames, the first unfinished, the second with opcode 0: *continuation*.

# %%
await bench.send({"fin": False}, opcode=0)

# %% [markdown]
# **Change one thing.** `await bench.send({"fin": False}, {"opcode": 9}, opcode=0)`: may a ping come in the middle of a message? And `{"opcode": 1}` in
# its place? `length=` declares another length than there is, `opcode=8` makes a close frame of it.

# %% [markdown]
# ## 3 Which line was it?
#
# A server that keeps reminders: it notes a text, and says it again when the bell rings.


# %%
async def remind(ws, text, bell):
    await bell.wait()
    await ws.send(text)


async def clerk(ws):
    bell = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        async for message in ws:
            if message == "ring":
                bell.set()
            else:
                tasks.create_task(remind(ws, message, bell))
            await ws.send(f"noted: {message}")


office = await serve(clerk, name="Office")

# %% [markdown]
# Ada leaves a reminder, then rings.

# %%
with record(office) as asked:
    async with connect(f"{office.url}/?name=Ada") as ada:
        await ada.send("call Bob")
        await ada.recv()
        await ada.send("ring")
        await ada.recv()
        await ada.recv()
    await asked.settled()
asked

# %% [markdown]
# **Predict.** Arrow 7 is the reminder. In which function stands the line that sent it? And which message of Ada's had that code been given: arrow 3 or arrow 5?

# %%
predict("p9.2", "Which function sent arrow 7, and because of which arrow?", function=..., because=...)

# %%
function = asked.arrow(7).origin.function
because = asked.cause(7)
reveal("p9.2", asked, function=function, because=because)

# %% [markdown]
# <details><summary><b>After your prediction:</b> ask the recording</summary>
#
# `asked.why(7)` prints it. When a frame is sent, the kit notes the innermost line that is no library's, and the message that the handler had taken last when it
# started the task. So the reminder belongs to arrow 3, although it was arrow 5 that let it go: what flows through an `Event` or a queue is not followed.
#
# </details>
#
# The client's arrows know their line, too. And no line of yours answered the close frame.

# %%
for number in (3, 9):
    print(asked.why(number), end="\n\n")

# %% [markdown]
# ## 4 What holds the loop
#
# One line of this handler is wrong, and lesson 7 told you which.


# %%
async def rude(ws):
    async for message in ws:
        time.sleep(0.3)
        await ws.send(message)


async def polite(ws):
    async for message in ws:
        await asyncio.sleep(0.3)
        await ws.send(message)


async def ask(server):
    async with connect(server.url) as ws:
        await ws.send("a question")
        await ws.recv()


# %% [markdown]
# `observe_loop` looks at the event loop while the recording is made. The numbers in the picture are the recording's arrows.

# %%
blocking = await serve(rude, name="Rude server")
with record(blocking) as recording, observe_loop(recording) as loop:
    await ask(blocking)
    await recording.settled()
loop

# %% [markdown]
# One bar, and the line that it is made of: while it lasts, no other connection, no ping and no interrupt is served. Now the other handler.

# %%
waiting = await serve(polite, name="Polite server")
with record(waiting) as recording, observe_loop(recording) as loop:
    await ask(waiting)
    await recording.settled()
loop

# %% [markdown]
# The client waits as long. The loop is free all the time: that is the whole difference between the two, and no recording of frames alone can show it.
#
# ## You have now seen
#
# - frames as they cross, with the browser as a client, and what a proxy between them changes;
# - what a real server answers to a frame that no library would send: 1002 for the protocol, 1007 for the text, nothing for half a message;
# - `recording.why(n)`: the line that sent an arrow, and the arrow because of which it did;
# - a blocked loop as a bar that names its line.
#
# ## Further reading
#
# - RFC 6455, sections 5.2 (the bits), 5.4 (fragments), 7.4 (close codes), 8.1 (UTF-8)
# - MDN Web Docs, *WebSocket*: what a page can do and what it is told
# - Python documentation, *Developing with asyncio*: debug mode, which reports slow callbacks, too

# %%
panel.close()
for running in running_servers():
    await running.stop()
assert running_servers() == []
