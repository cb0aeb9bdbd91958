"""What the check of 5.2, the envelope, looks at, in the order in which a learner reads it.

The learner's functions work in a real server: it decodes what the check's client sends and says what it made of it, and
sends what it encodes. An exception that escapes ends the connection with 1011, as it would anywhere.
"""

import asyncio
import contextlib
import json
import random
import secrets

from wslab.judge import Driver, NoAnswer, Raised, Wrong, behaviour
from wslab.trace import DATA, KEEP_BYTES

PARTS = ["type", "id", "meta", "body"]
NOT_JSON = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "7" * 5000]


class Post(Driver):
    """A server that decodes whatever comes and tells what it found."""

    async def open(self, **limits):
        self.limits, self.ws = limits, asyncio.get_running_loop().create_future()
        await self.serve(self.handler, max_size=None)

    async def handler(self, ws):
        self.ws.set_result(ws)
        async for raw in ws:
            await ws.send(json.dumps(self.decoded(raw), default=repr))

    def decoded(self, raw):
        bad, wanted = self.answers["BadMessage"], self.answers["Message"]
        try:
            message = self.answers["decode"](raw, **self.limits)
        except bad as exc:
            code = getattr(exc, "code", None)
            return {"code": str.__str__(code) if isinstance(code, str) else repr(code)}
        if isinstance(wanted, type) and not isinstance(message, wanted):
            return {"other": repr(message)}
        if not all(hasattr(message, part) for part in PARTS):
            return {"other": repr(message)}
        return {part: getattr(message, part) for part in [*PARTS, "trace"] if hasattr(message, part)}

    async def connected(self):
        await self.ws

    async def send(self, *args, **named):
        ws = await self.ws
        await ws.send(self.answers["encode"](*args, **named))


# The way of a good message -------------------------------------------------------------------------------------


@behaviour("5.2", "encode writes a JSON object with v, type, id, meta and body")
async def written(answer):
    async with _post(answer) as (post, client):
        order = {"item": secrets.token_hex(2), "pieces": random.randint(1, 9)}
        await _encoded(post, client, "order", order, id=random.randint(1, 999), meta={"lang": "en"})
        await _encoded(post, client, "hello")
        for nothing in (0, "", False, []):
            await _encoded(post, client, "order", nothing, id=nothing or 0, meta={})


@behaviour("5.2", "what was encoded is decoded as it was: quotes, line breaks, emoji, every kind of value")
async def round_trip(answer):
    word = secrets.token_hex(2)
    texts = [f"{word} says \"hi\", C:\\new and 'bye'", f"two\nlines\r\nand a tab\t{word}", f"{word} 🎈 é \u2028 \0"]
    async with _post(answer) as (post, client):
        for body in [*texts, {"list": [1, 2.5, None, True, {"deep": [word]}], "": ""}, [], 0, False, None]:
            sent = {"type": "news", "id": random.choice([0, word, 7]), "meta": {"lang": word}, "body": body}
            raw = await _encoded(post, client, "news", body, id=sent["id"], meta=sent["meta"])
            said = await _decoded(post, client, raw)
            for part in PARTS:
                if "code" in said or not _same(said[part], sent[part]):
                    saw = _told(said) if "code" in said else repr(said[part])
                    raise Wrong(
                        f"5.2 round trip: {part} {sent[part]!r} came back as {saw}.",
                        did=f"decode({_short(raw)}), which encode had made",
                        expected=repr(sent[part]),
                        saw=saw,
                        where=_sent(raw),
                    )


@behaviour("5.2", "a message from a newer sender, and one with v and type only")
async def evolution(answer):
    word = secrets.token_hex(2)
    async with _post(answer) as (post, client):
        raw = json.dumps({"v": 1, "type": "news", "id": 7, "meta": {}, "body": word, "trace": secrets.token_hex(4)})
        line = '5.2 evolution: a newer sender added "trace"; an old receiver must still read it.'
        said = await _decoded(post, client, raw, raised=line)
        facts = {"did": f"decode({_short(raw)})", "saw": _told(said), "where": _sent(raw)}
        if "code" in said or said["body"] != word:
            raise Wrong(line, expected="a Message", **facts)
        if "trace" in said:
            raise Wrong(
                '5.2 evolution: your Message has got a "trace". What your program does not know is left out.',
                expected="a Message without it",
                **facts,
            )
        raw = json.dumps({"v": 1, "type": "hello"})
        line = "5.2 missing: id, meta and body may be missing; they are None then."
        said = await _decoded(post, client, raw, raised=line)
        if "code" in said or any(said[part] not in (None, {}) for part in ("id", "meta", "body")):
            raise Wrong(
                line,
                did=f"decode({_short(raw)})",
                expected="a Message of the type hello",
                saw=_told(said),
                where=_sent(raw),
            )


# What is refused -----------------------------------------------------------------------------------------------


@behaviour("5.2", "not_text: a binary message")
async def not_text(answer):
    line = "5.2 not_text: a binary message must give not_text."
    async with _post(answer) as (post, client):
        for raw in (b'{"v": 1, "type": "news"}', b"\xff\xfe"):
            await _refused(post, client, raw, "not_text", taken=line, raised=line, other=line)


@behaviour("5.2", "too_big: the limit counts bytes")
async def too_big(answer):
    for limits, limit in (({}, 65536), ({"max_bytes": 100}, 100)):
        async with _post(answer, **limits) as (post, client):
            for letter in "é🎈x":
                raw = _filled(limit, letter)
                said = await _decoded(post, client, raw)
                if "code" in said:
                    raise Wrong(
                        f"5.2 limit: a message of {limit} bytes gave {said['code']}; too_big is more than {limit}.",
                        did=f"decode of a text of exactly {limit} bytes",
                        expected="a Message",
                        saw=_told(said),
                        where=_sent(raw),
                    )
                raw = _filled(limit + 1, letter)
                line = f"5.2 size: {len(raw)} characters but {limit + 1} bytes: the limit counts bytes."
                if limits:
                    line = f"5.2 max_bytes: {limit + 1} bytes were taken with max_bytes={limit}."
                elif letter == "x":
                    line = f"5.2 too_big: {limit + 1} bytes were taken, at most {limit} are allowed."
                await _refused(post, client, raw, "too_big", taken=line)


@behaviour("5.2", "bad_json: no JSON")
async def bad_json(answer):
    half = json.dumps({"v": 1, "type": "news", "body": secrets.token_hex(2)})[:-2]
    async with _post(answer) as (post, client):
        for raw in ("", "hello", half, str({"v": 1, "type": "news"}), '{"v": 1, "type": "news"} {}'):
            await _refused(post, client, raw, "bad_json")


@behaviour("5.2", "not_object: JSON, but no object")
async def not_object(answer):
    async with _post(answer) as (post, client):
        for raw in ("null", "[]", '[{"v": 1, "type": "news"}]', "3", "0", '"news"', "false"):
            await _refused(post, client, raw, "not_object")


@behaviour("5.2", "bad_type: a type that is no text; bad_version: a v that is not 1")
async def bad_fields(answer):
    async with _post(answer) as (post, client):
        for wrong in ({}, {"type": None}, {"type": random.randint(1, 9)}, {"type": ["news"]}, {"type": {}}):
            await _refused(post, client, json.dumps({"v": 1, "body": "x"} | wrong), "bad_type")
        for wrong in ({}, {"v": None}, {"v": random.randint(2, 9)}, {"v": 0}, {"v": "1"}, {"v": [1]}):
            await _refused(post, client, json.dumps({"type": "news", "body": "x"} | wrong), "bad_version")


@behaviour("5.2", "numbers that are no JSON are not written")
async def written_numbers(answer):
    async with _post(answer) as (post, client):
        for number in (float("nan"), float("inf"), -float("inf")):
            for body, meta in ([number], None), (None, {"price": number}):
                did = f"encode('news', {body!r}, meta={meta!r})"
                try:
                    await post.do("send", "news", body, meta=meta, what="encode")
                except Raised as exc:
                    if exc.isa("ValueError", "BadMessage"):
                        continue
                    raise Wrong(f"5.2 NaN: encode raised {exc}, expected ValueError.", did=did, saw=str(exc)) from None
                raw = await post.server.receive(client, did)
                line = f"5.2 NaN: encode made {_short(raw)} of it, which means something else. Let it raise ValueError."
                if _strict(raw) is None:
                    line = "5.2 NaN: your text is not JSON; a browser's JSON.parse fails on it."
                raise Wrong(line, did=did, expected="ValueError", saw=_short(raw), where=_got(raw))


@behaviour("5.2", "numbers that are no JSON are not read, nor are numbers too large to be one")
async def read_numbers(answer):
    async with _post(answer) as (post, client):
        for number in NOT_JSON:
            raw = f'{{"v": 1, "type": "news", "body": [{number}]}}'
            line = f"5.2 numbers: decode took {_short(number)}, expected bad_json: no number of JSON, or one too large."
            await _refused(post, client, raw, "bad_json", taken=line)


@behaviour("5.2", "tens of thousands of brackets")
async def deep(answer):
    line = "5.2 deep nesting: RecursionError reached the handler: the connection would close with 1011."
    async with _post(answer) as (post, client):
        for raw in ("[" * 60_000, '{"a":' * 12_000, '{"v": 1, "type": "news", "body": ' + "[" * 60_000):
            await _refused(post, client, raw, "bad_json", raised=line)


# To the learner's functions and back ---------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _post(answer, **limits):
    async with answer.driven(Post, **limits) as post:
        client = await post.server.connect()
        await post.do("connected")
        yield post, client


async def _encoded(post, client, *args, **named):
    """The text that encode made, which is an envelope."""
    parts = dict(zip(PARTS, (args[0], named.get("id"), named.get("meta"), (*args, None)[1]), strict=True))
    given = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in named.items())])
    await post.do("send", *args, what="encode", **named)
    raw = await post.server.receive(client, f"encode({given})")
    facts = {
        "did": f"encode({given})",
        "expected": json.dumps({"v": 1, **parts}),
        "saw": _short(raw),
        "where": _got(raw),
    }
    if not isinstance(raw, str):
        raise Wrong(f"5.2 encode: encode returned {_short(raw)}; a text message is made of a str.", **facts)
    envelope = _strict(raw)
    if not isinstance(envelope, dict):
        raise Wrong(f"5.2 encode: encode returned {_short(raw)}, which is no JSON object.", **facts)
    for part, value in {"v": 1, **parts}.items():
        if part not in envelope:
            raise Wrong(f'5.2 encode: "{part}" is missing in {_short(raw)}.', **facts)
        found = envelope[part]
        if not (_same(found, value) or (part == "meta" and not found and value is None)):
            raise Wrong(f'5.2 encode: "{part}" should be {json.dumps(value)}, and is {json.dumps(found)}.', **facts)
    return raw


async def _decoded(post, client, raw, raised=""):
    """What decode made of `raw`; `raised` is said where it raised something that is no BadMessage."""
    did = f"decode({_short(raw)})"
    await post.server.send(client, raw)
    try:
        said = json.loads(await post.server.receive(client, did))
    except NoAnswer:
        if not (error := await post.server.raised()):
            raise
        raise Wrong(
            raised or f"5.2 exception: {did} raised {error}, which is no BadMessage: the connection ended with 1011.",
            did=did,
            expected="a Message or BadMessage",
            saw=error,
            where=_sent(raw),
        ) from None
    if "other" in said:
        raise Wrong(
            f"5.2 message: {did} returned {said['other']}; it has to return a Message with type, id, meta and body, or "
            "to raise BadMessage.",
            did=did,
            expected="a Message, or BadMessage raised",
            saw=said["other"],
            where=_sent(raw),
        )
    return said


async def _refused(post, client, raw, code, *, taken="", raised="", other=""):
    """See that decode raises BadMessage with this code; else say what was `taken`, `raised`, or another code."""
    did = f"decode({_short(raw)})"
    said = await _decoded(post, client, raw, raised)
    if said.get("code") == code:
        return
    if "code" in said:
        line = other or f"5.2 {code}: {did} raised BadMessage({said['code']!r}), expected {code!r}."
    else:
        line = taken or f'5.2 {code}: decode("{raw}") returned {_told(said)}.'
    raise Wrong(line, did=did, expected=f"BadMessage({code!r})", saw=_told(said), where=_sent(raw))


def _told(said):
    if "code" in said:
        return f"BadMessage({said['code']!r})"
    return _short(f"Message({', '.join(f'{part}={value!r}' for part, value in said.items())})", quoted=False)


def _filled(size, letter):
    """A good message of `size` bytes, full of `letter`."""
    empty = '{"v": 1, "type": "news", "body": "%s"}'
    count, rest = divmod(size - len(empty % ""), len(letter.encode()))
    return empty % (letter * count + "x" * rest)


def _strict(raw):
    """What a strict reader makes of a text; `None` where it is no JSON."""
    with contextlib.suppress(ValueError):
        return json.loads(raw, parse_constant=_refuse)


def _refuse(name):
    raise ValueError(name)


def _same(one, other):
    """Equal, and of the same kind: False is not 0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _short(value, quoted=True):
    text = repr(value) if quoted else value
    return text if len(text) <= 80 else f"{text[:77]}…"


# Arrows --------------------------------------------------------------------------------------------------------


def _sent(raw):
    data = raw.encode() if isinstance(raw, str) else raw
    return lambda event: event.up and event.kind in DATA and event.payload == data[:KEEP_BYTES]


def _got(raw):
    return lambda event: not event.up and event.kind in DATA and event.text == raw
