"""What the check of 5.3, agree once, looks at, in the order in which a learner reads it.

The learner's handler is served as its `serve_kwargs()` say; clients that offer all kinds of formats connect.
"""

import asyncio
import contextlib
import json
import secrets
from xml.etree import ElementTree

import websockets
from defusedxml.ElementTree import fromstring

from wslab.judge import Driver, NoAnswer, Wrong, behaviour
from wslab.trace import DATA, Kind

JSON, XML = "kit.json.v1", "kit.xml.v1"
WORDS = {JSON: "JSON", XML: "XML"}
WAIT_S = 2.0


class Agreeing(Driver):
    """Serves the learner's handler with what the learner wants."""

    async def open(self):
        self.codecs, self.options = self.answers["CODECS"], self.answers["serve_kwargs"]()
        if isinstance(self.options, dict):
            await self.serve(self.answers["format_handler"], **self.options)

    def made(self):
        return (
            [str(key) for key in self.codecs] if isinstance(self.codecs, dict) else type(self.codecs).__name__,
            type(self.options).__name__,
        )


@behaviour("5.3", "JSON on one connection, XML on another")
async def both(answer):
    for format in (JSON, XML):
        async with _serving(answer) as server:
            client = await _connect(server, format, format)
            for word in (secrets.token_hex(2), secrets.token_hex(2)):
                await _echo(server, client, format, {"item": word, "note": f"two words {word}"})


@behaviour("5.3", "two clients at once, each in its own format")
async def at_once(answer):
    async with _serving(answer) as server:
        ada, bob = await _connect(server, JSON, JSON, name="ada"), await _connect(server, XML, XML, name="bob")
        for client, format in ((ada, JSON), (bob, XML), (bob, XML), (ada, JSON)):
            message = {"item": secrets.token_hex(2)}
            did = f"one client with {JSON}, one with {XML}, both connected"
            reply = await _reply(server, client, format, message, did=did)
            other = XML if format == JSON else JSON
            if _read(other, reply) is not None:
                raise Wrong(
                    f"5.3 two clients: the {WORDS[format]} client received {WORDS[other]}; the format belongs to the "
                    "connection (ws.subprotocol).",
                    did=did,
                    expected=_write(format, message),
                    saw=repr(reply),
                    where=_got(reply),
                )
            _judge(server, format, message, reply)


@behaviour("5.3", "any text comes back as it was")
async def texts(answer):
    word = secrets.token_hex(2)
    for format in (XML, JSON):
        async with _serving(answer) as server:
            client = await _connect(server, format, format)
            for text in ("a<b&c", f'{{"item": "{word}"}}', f"[{word}]", f"\"{word}\" 'é' ]]> 🎈", "3", ""):
                await _echo(server, client, format, {"text": text, "more": word})
            spaced = f"\n  {_write(format, {'text': word})}\n"
            await _echo(server, client, format, {"text": word}, spaced)


@behaviour("5.3", "the server's order decides, and nobody is served without a common format")
async def agreement(answer):
    async with _serving(answer) as server:
        for offered in ([XML, JSON], [JSON, XML], ["kit.yaml.v1", XML, JSON]):
            await _connect(server, JSON, *offered)
        for offered in (["kit.yaml.v1"], None):
            did = f"offered {', '.join(offered) if offered else 'no format'}"
            status = await _status(server, offered)
            if status != 400:
                raise Wrong(
                    f"5.3 no common format: expected 400 Bad Request, saw {status}. A list of subprotocols in "
                    "serve_kwargs() is enough, the library refuses by itself.",
                    did=did,
                    expected="400",
                    saw=str(status),
                    where=_answered,
                )


@behaviour("5.3", "plain HTTP: /healthz is 200, everything else 426")
async def plain(answer):
    async with _serving(answer) as server:
        for path, expected, reason in (
            ("/healthz", 200, "OK"),
            ("/", 426, "Upgrade Required"),
            (f"/{secrets.token_hex(2)}", 426, "Upgrade Required"),
        ):
            status = await _get(server, path)
            if status != expected:
                raise Wrong(
                    f"5.3 plain GET {path}: expected {expected} {reason}, saw {status}.",
                    did=f"GET {path} without an Upgrade",
                    expected=str(expected),
                    saw=str(status),
                    where=lambda event, path=path: event.headline.startswith(f"GET {path} "),
                )
        client = await _connect(server, JSON, JSON)
        await _echo(server, client, JSON, {"item": secrets.token_hex(2)})


@behaviour("5.3", "an entity in XML is not expanded")
async def entities(answer):
    word = secrets.token_hex(4)
    bomb = f'<!DOCTYPE message [<!ENTITY a "{word}"><!ENTITY b "&a;&a;&a;">]><message><text>&b;</text></message>'
    async with _serving(answer) as server:
        client = await _connect(server, XML, XML)
        await server.send(client, bomb)
        with contextlib.suppress(NoAnswer):
            reply = await server.receive(client, "sent XML with an entity", timeout=1.0)
            if str(reply).count(word) >= 3:
                raise Wrong(
                    "5.3 entity: a text of 4 bytes, &b;, came back as three words; a few more of them, and it is a "
                    "million. Read with defusedxml.",
                    did=f"sent {bomb}",
                    expected="anything but the expanded text",
                    saw=repr(reply),
                    where=_got(reply),
                )


# A client, and its formats -------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _serving(answer):
    async with answer.driven(Agreeing) as agreeing:
        codecs, kind = await agreeing.do("made")
        if kind != "dict":
            raise Wrong(
                f"5.3 serve_kwargs: serve_kwargs() returned {kind}, expected a dictionary of arguments for serve.",
                did="serve_kwargs()",
                expected='a dictionary with "subprotocols" and "process_request"',
                saw=kind,
            )
        if not isinstance(codecs, list) or sorted(codecs) != [JSON, XML]:
            raise Wrong(
                f"5.3 CODECS: its keys are {codecs}, expected {[JSON, XML]}.",
                did="list(CODECS)",
                expected=str([JSON, XML]),
                saw=str(codecs),
            )
        yield agreeing.server


async def _connect(server, agreed, *offered, name="Client"):
    """A client that offers these formats, and for which the server has to choose the one that is `agreed`."""
    client = await server.connect(name, subprotocols=list(offered))
    facts = {"did": f"offered {', '.join(offered)}", "expected": agreed, "where": _answered}
    if client.subprotocol is None:
        raise Wrong(
            "5.3 negotiation: response has no Sec-WebSocket-Protocol; ws.subprotocol is None.", saw="none", **facts
        )
    if client.subprotocol != agreed:
        raise Wrong(
            f"5.3 preference: the client offered {', '.join(offered)} and got {client.subprotocol}; the order of the "
            f"server decides, so {agreed}.",
            saw=client.subprotocol,
            **facts,
        )
    return client


async def _status(server, offered):
    try:
        async with websockets.connect(
            f"{server.url}/?name=Stranger", subprotocols=offered, open_timeout=WAIT_S, proxy=None, compression=None
        ):
            return 101
    except websockets.InvalidStatus as exc:
        return exc.response.status_code
    except (websockets.InvalidHandshake, OSError, TimeoutError) as exc:
        return type(exc).__name__


async def _get(server, path):
    """The status of a plain GET: not a single word about WebSocket in it."""
    try:
        async with asyncio.timeout(WAIT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.tap.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.tap.port}\r\n\r\n".encode())
            line = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return "no answer"
    return int(line.split()[1]) if line else "no answer"


async def _echo(server, client, format, message, raw=""):
    _judge(server, format, message, await _reply(server, client, format, message, raw), raw)


async def _reply(server, client, format, message, raw="", did=""):
    """The handler's answer; `did` says in what situation where there are two clients."""
    raw = raw or _write(format, message)
    await server.send(client, raw)
    try:
        return await server.receive(client, f"sent {raw}")
    except NoAnswer as exc:
        if not (raised := await server.raised()):
            raise
        raise Wrong(
            f"5.3 two clients: your handler raised {raised} for the message of the {WORDS[format]} client; the format "
            "belongs to the connection (ws.subprotocol)."
            if did
            else f"5.3 {WORDS[format]}: your handler raised {raised} for {raw!r}, which is {WORDS[format]}, as agreed.",
            did=did or exc.did,
            expected=_write(format, message),
            saw=raised,
            where=lambda event: event.up and event.kind in DATA and event.text == raw,
        ) from None


def _judge(server, format, message, reply, raw=""):
    facts = {
        "did": f"sent {raw or _write(format, message)}",
        "expected": _write(format, message),
        "saw": repr(reply),
        "where": _got(reply),
    }
    text = reply if isinstance(reply, str) else reply.decode(errors="replace")
    if text.lower().startswith("content-"):
        raise Wrong(
            "5.3 message: starts with a header line. Messages have no headers; the format was agreed in the handshake.",
            **facts,
        )
    found = _read(format, reply)
    if found == message:
        return
    if found is None and "text" in message:
        raise Wrong(f'5.3 escaping: the text "{message["text"]}" came back as {reply!r}.', **facts)
    if found is None:
        raise Wrong(f"5.3 {WORDS[format]}: the reply {reply!r} is no {WORDS[format]}, which was agreed.", **facts)
    given = message.get("text", "")
    back = found.get("text") if isinstance(found, dict) else None
    if given.startswith(("{", "[")) and back != given:
        raise Wrong(
            f'5.3 negotiated {format.split(".")[1]}: a JSON-looking text "{{...}}" inside {WORDS[format]} was parsed '
            "as JSON.",
            **facts,
        )
    if "text" in message and back != given:
        raise Wrong(f"5.3 text: {given!r} came back as {back!r}.", **facts)
    raise Wrong(f"5.3 echo: {message} came back as {found}.", **facts)


def _write(format, message):
    if format == JSON:
        return json.dumps(message)
    root = ElementTree.Element("message")
    for key, text in message.items():
        ElementTree.SubElement(root, key).text = text
    return ElementTree.tostring(root, encoding="unicode")


def _read(format, raw):
    """What a reader of this format makes of it; `None` where it is none."""
    try:
        if format == JSON:
            return json.loads(raw)
        root = fromstring(raw)
    except (ValueError, ElementTree.ParseError):
        return None
    return {child.tag: child.text or "" for child in root} if root.tag == "message" else f"<{root.tag}>"


def _got(reply):
    data = reply.encode() if isinstance(reply, str) else reply
    return lambda event: not event.up and event.kind in DATA and event.payload == data


def _answered(event):
    return event.kind is Kind.RESPONSE
