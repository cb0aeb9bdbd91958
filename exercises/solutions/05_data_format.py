# %% [markdown]
# # Exercises 5: header and body
#
# Three exercises: 5.2 takes about 25 minutes; 5.1 and 5.3, marked *Going further*, about 60 minutes more. Begin with 5.2 if you like: it
# does not need 5.1. You need lesson 5, [Header and body](../notebooks/05_data_format.ipynb).
#
# Change the cell that holds the function, run it, then run the check below it. Work cell by cell: *Run All* stops at the first
# exercise that is not solved yet. `hint("5.2")` gives a hint; there are three for each exercise.

# %%
import json
import math
from xml.etree import ElementTree

import defusedxml.ElementTree

from wslab import check, hint

# %% [markdown]
# ## 5.1 Read the frame
#
# ★★★ · build · about 35 minutes · *Going further*
#
# Write a function that takes a frame apart, as you did by hand in sections 2 and 3 of the lesson: `frame_info(data)` gets the `bytes` of
# one frame and returns a dictionary with five keys:
#
# | key | value |
# |---|---|
# | `"fin"` | `True` if the message ends with this frame, else `False` |
# | `"opcode"` | the number of the opcode, such as 1 for text |
# | `"masked"` | `True` or `False` |
# | `"length"` | the bytes of payload, in all three forms (section 3) |
# | `"payload"` | the payload as `bytes`, **without** its mask |
#
# For example, `frame_info(bytes.fromhex("81 02 68 69"))` is `{"fin": True, "opcode": 1, "masked": False, "length": 2, "payload": b"hi"}`.
#
# If the end of the frame is missing, wherever it breaks off, the function raises `ValueError`. `data` never holds more than one frame.
#
# Four tools. `data[0]` is a byte, a number from 0 to 255, and `data[2:6]` are bytes. `data[0] & 0x80` keeps the highest bit of a byte and makes
# all others 0, `data[0] & 0x0F` keeps the last four, `data[1] & 0x7F` the last seven. `int.from_bytes(data[2:4], "big")` makes one number of two
# bytes.
#
# What the check looks at: about 40 frames that have just been recorded, from both sides, texts, bytes, fragments and control frames, the
# borders of the three forms, and frames that break off.


# %% answer="5.1"
def frame_info(data):
    # BEGIN SOLUTION
    if len(data) < 2:
        raise ValueError("the frame is not complete")
    fin, opcode = bool(data[0] & 0x80), data[0] & 0x0F  # 1 byte 0
    masked, length = bool(data[1] & 0x80), data[1] & 0x7F  # 2 byte 1
    longer = {126: 2, 127: 8}.get(length, 0)  # 3 the longer forms
    start = 2 + longer + (4 if masked else 0)
    if longer:
        length = int.from_bytes(data[2 : 2 + longer], "big")
    if len(data) < start or len(data) < start + length:  # 4 is all of it there?
        raise ValueError("the frame is not complete")
    payload = data[start : start + length]
    if masked:  # 5 take the mask off
        key = data[start - 4 : start]
        payload = bytes(byte ^ key[number % 4] for number, byte in enumerate(payload))
    return {"fin": fin, "opcode": opcode, "masked": masked, "length": length, "payload": payload}
    # END SOLUTION
    # BEGIN STUB
    # fin, opcode, masked, length, payload = ..., ..., ..., ..., ...
    # return {"fin": fin, "opcode": opcode, "masked": masked, "length": length, "payload": payload}
    # END STUB


# %% check="5.1"
check("5.1", frame_info)

# %% [markdown]
# ## 5.2 The envelope
#
# ★★ · build · about 25 minutes
#
# Write the two functions between your program and the wire: `encode` makes a text of a message, `decode` makes a message of what has arrived,
# or says what is wrong with it. Whoever calls `decode` shall never meet another exception than `BadMessage`. The two classes are given:
# `Message(type, id, meta, body)` makes a message, and `message.body` is a part of it; `raise BadMessage("not_text")` ends `decode` with such an
# exception, and `exc.code` is its code.
#
# `encode(type, body=None, *, id=None, meta=None)` returns the envelope of section 5 as a JSON text, with the five keys `v` (always 1), `type`,
# `id`, `meta` and `body`. A body with `NaN` or infinity in it is no JSON: then `encode` raises `ValueError`. (Behind the `*` parameters have to
# be named: `encode("news", "snow", id=7)`.)
#
# `decode(raw, *, max_bytes=65536)` returns a `Message`, or raises `BadMessage(code)` with one of six codes. It looks in this order:
#
# | code | when |
# |---|---|
# | `not_text` | `raw` is no `str`: it came as a binary message |
# | `too_big` | it has more than `max_bytes` **bytes** in UTF-8; exactly `max_bytes` are allowed |
# | `bad_json` | it cannot be read as JSON, or holds a number that is none (`NaN`, `Infinity`) or too large (`1e999`, 5,000 digits) |
# | `not_object` | it is JSON, but no object |
# | `bad_type` | `type` is missing or no text |
# | `bad_version` | `v` is missing or not 1 |
#
# `id`, `meta` and `body` may be missing and are `None` then. Other keys come from senders that are newer than you: leave them out.
#
# For example `decode('{"v": 1, "type": "news", "body": "snow"}').body` is `"snow"`, and `decode("null")` raises `BadMessage("not_object")`.
#
# Three things about `json.loads`. It raises `ValueError`, but `RecursionError` for text that is nested too deeply. `parse_constant=` takes a function
# that is called with `"NaN"`, `"Infinity"` and `"-Infinity"` (section 5). `parse_float=` takes one that is called with the text of each number
# such as `"2.5"` or `"1e999"` and returns the number; `math.isfinite(number)` asks whether it is one.
#
# What the check looks at: messages there and back, with emoji and line breaks, each of the six codes, the limit to the byte, and nonsense.


# %% answer="5.2"
class BadMessage(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Message:
    def __init__(self, type, id, meta, body):
        self.type, self.id, self.meta, self.body = type, id, meta, body


def encode(type, body=None, *, id=None, meta=None):
    # BEGIN SOLUTION
    return json.dumps({"v": 1, "type": type, "id": id, "meta": meta, "body": body}, allow_nan=False)


def refuse(name):
    raise ValueError(f"{name} is not JSON")


def finite(text):
    number = float(text)
    return number if math.isfinite(number) else refuse(text)
    # END SOLUTION


def decode(raw, *, max_bytes=65536):
    # BEGIN SOLUTION
    if not isinstance(raw, str):  # 1 is it a text?
        raise BadMessage("not_text")
    if len(raw.encode()) > max_bytes:  # 2 how many bytes?
        raise BadMessage("too_big")
    try:  # 3 is it JSON?
        message = json.loads(raw, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError):
        raise BadMessage("bad_json") from None
    if not isinstance(message, dict):  # 4 is it an envelope?
        raise BadMessage("not_object")
    if not isinstance(message.get("type"), str):
        raise BadMessage("bad_type")
    if message.get("v") != 1:
        raise BadMessage("bad_version")
    return Message(message["type"], message.get("id"), message.get("meta"), message.get("body"))  # 5 only what is known
    # END SOLUTION


# %% check="5.2"
check("5.2", encode, decode, Message, BadMessage)

# %% [markdown]
# ## 5.3 Agree once
#
# ★★ · build · about 25 minutes · *Going further*
#
# Write a server that speaks two formats, for any number of clients at once: each client gets the one that was agreed in its handshake
# (section 7 of the lesson). Three names:
#
# - `CODECS` is a dictionary. Its keys are the subprotocols, `"kit.json.v1"` and `"kit.xml.v1"`. What stands under a key is up to you; two functions,
#   for example, one that writes and one that reads.
# - `format_handler(ws)` is an echo that understands: it reads each message in the format of its connection, `ws.subprotocol`, and sends the
#   content back, written again in this format.
# - `serve_kwargs()` returns a dictionary with what `serve` needs beside the handler. Your server will be started with
#   `serve(format_handler, **serve_kwargs())`, which stands for `serve(format_handler, subprotocols=..., process_request=...)`.
#
# A message is an object whose values are texts: `{"item": "jam"}` in JSON, `<message><item>jam</item></message>` in XML. A text may hold anything,
# `<`, `&` or `{`, or nothing at all.
#
# - Whoever offers both formats gets JSON. Whoever offers neither, or no format, is refused with 400.
# - A plain HTTP `GET /healthz` is answered with 200 (lesson 3, section 3); every other plain GET gets 426, as without you.
# - XML that strangers send is read with `defusedxml` (section 6).
#
# What the check looks at: both formats at the same time, texts that are hard to write, what each handshake brings, and what plain HTTP brings.


# %% answer="5.3"
# BEGIN SOLUTION
def to_xml(message):
    root = ElementTree.Element("message")
    for key, text in message.items():
        ElementTree.SubElement(root, key).text = text
    return ElementTree.tostring(root, encoding="unicode")


def from_xml(raw):
    return {child.tag: child.text or "" for child in defusedxml.ElementTree.fromstring(raw)}


CODECS = {"kit.json.v1": (json.dumps, json.loads), "kit.xml.v1": (to_xml, from_xml)}


async def format_handler(ws):
    write, read = CODECS[ws.subprotocol]  # 1 accept: agreed once
    async for raw in ws:  # 2 read
        message = read(raw)  # 3 decide
        await ws.send(write(message))  # 4 answer


def health(connection, request):
    if request.path == "/healthz":
        return connection.respond(200, "ok\n")


def serve_kwargs():
    return {"subprotocols": list(CODECS), "process_request": health}


# END SOLUTION
# BEGIN STUB
# CODECS = {"kit.json.v1": ..., "kit.xml.v1": ...}


# async def format_handler(ws):
#     ...


# def serve_kwargs():
#     return {}
# END STUB


# %% check="5.3"
check("5.3", CODECS, format_handler, serve_kwargs)

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 5` in a terminal: your work is kept
# as a backup beside it.
