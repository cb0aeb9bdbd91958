"""The servers of kit, lessons, exercises and capstone under attack: a matrix of servers and attacks.

`python tests/test_attacks.py` prints the matrix. A raw-socket client attacks; where a row cannot apply to a server, the
reason stands in `NOT`.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import logging
import secrets
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import psutil
import pytest
from kit import ROOT, define, references
from websockets.frames import Close, Frame, Opcode

from wslab import engines, record, serve, serve_app
from wslab.masking import register_secret

sys.path += [str(ROOT), str(ROOT / "notebooks")]  # of the capstone, and of the servers of lessons 4 and 6

SOURCES = ROOT / "notebooks" / "source"
LIMIT = 1 << 20
OPEN_S = 0.5
PATIENCE_S = 8.0
SCRIPT = "<script>alert(1)</script></svg onload=x>"
NASTY = "no\nforged line\r\x1b[31mred\x07"


# Servers ------------------------------------------------------------------------------------------------


@dataclass
class Place:
    """A running server: where it is, how a client is let in, and what it understands."""

    url: str
    valid: str = "hello"  # a message that is answered
    headers: dict = field(default_factory=dict)  # to be let in
    first: str = ""  # the first message, to be let in
    limit: int = LIMIT
    raises: str = ""  # a message that its handler trips over
    kit: object = None  # what serve() returned
    process: object = None  # or a process of an engine
    token: str = ""
    revoke: object = None
    expire: object = None  # returns a first message with a token that ends soon

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])


def lesson(stem):
    """What a lesson defines: its imports, functions and plain values, without running anything of it."""
    path = SOURCES / f"{stem}.py"
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    names = {"__name__": stem}
    for node in compile(path.read_text("utf-8"), path, "exec", flags).body:
        plain = isinstance(node, ast.Assign) and not any(isinstance(part, ast.Await) for part in ast.walk(node))
        if plain or isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            with contextlib.suppress(Exception):  # it needs what only a run of the lesson has
                exec(compile(ast.Module([node], []), path, "exec"), names)
    return names


def answer(exercise):
    """The names that the reference solution of an exercise defines."""
    return define(exercise, references()[exercise])


@contextlib.asynccontextmanager
async def running(handler, *, place=None, **options):
    server = await serve(handler, name="Server", open_timeout=OPEN_S, **options)
    try:
        place = place or Place("")
        place.url, place.kit = server.url, server
        yield place
    finally:
        await server.stop()


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def in_a_process():
    cluster = await engines.start_cluster("servers.rooms:who", servers=1, policy=None, open_timeout=OPEN_S)
    try:
        yield Place(cluster.url, process=cluster.servers[0])
    finally:
        await cluster.stop()


@contextlib.asynccontextmanager
async def tripping():
    """Lesson 7's subject, bare: a handler that raises."""
    token = secrets.token_urlsafe(12)
    register_secret(token)

    async def handler(ws):
        async for message in ws:
            raise KeyError(message)

    async with running(handler, place=Place("", raises="x", token=token)) as place:
        yield place


@contextlib.asynccontextmanager
async def web_app():
    from aiohttp import web

    server = await serve_app(web.Application())
    try:
        yield Place(server.url)
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def first_message():
    """Lesson 3: the token comes in the first message."""
    names = lesson("03_patterns")
    token = names["log_in"]("ada", "demo1")
    first = json.dumps({"token": token})
    place = Place("", valid='{"id": 1}', first=first, raises="[]", token=token)
    place.expire = lambda: json.dumps({"token": names["log_in"]("bob", "demo2", life_s=0.3)})
    async with running(names["club"], place=place) as place:
        yield place


@contextlib.asynccontextmanager
async def header():
    """Lesson 3: the token comes in the handshake."""
    names = lesson("03_patterns")
    token = names["log_in"]("ada", "demo1")
    place = Place("", valid='{"id": 1}', headers={"Authorization": f"Bearer {token}"}, raises="[]", token=token)
    async with running(names["inside"], place=place, process_request=names["door"]) as place:
        yield place


def careful():
    order = {"v": 1, "type": "order", "id": 7, "meta": {}, "body": {"item": "jam", "pieces": 3}}
    return running(lesson("05_data_format")["careful"], place=Place("", valid=json.dumps(order)))


@contextlib.asynccontextmanager
async def stateful():
    from servers import carts

    async with running(carts.in_memory, place=Place("", valid="open ada", raises="one two three")) as place:
        yield place


def guarded():
    names = lesson("07_error_handling")
    names["log"].addHandler(logging.NullHandler())
    return running(names["guarded"], place=Place("", valid='{"id": 1, "item": "tea"}', raises="[]"))


def market():
    names = lesson("08_summary")
    names["ask"]("CREATE TABLE prices (item TEXT PRIMARY KEY, price INTEGER)")
    names["log"].addHandler(logging.NullHandler())
    return running(names["market"], place=Place("", valid='{"id": 1, "body": {"item": "tea", "price": 3}}'))


@contextlib.asynccontextmanager
async def secured():
    """Exercise 3.3: first message, expiry, revocation."""
    _, handle = answer("3.3")
    token, known = secrets.token_urlsafe(12), {}
    register_secret(token)
    known[token] = {"user": "ada", "exp": time.monotonic() + 30}

    async def handler(ws):
        await handle(ws, lambda shown: known.get(shown), lambda ws, session: echo(ws), time.monotonic)

    place = Place("", first=json.dumps({"type": "auth", "token": token}), token=token)

    def revoke():
        known["next"] = known.pop(token)
        place.first = json.dumps({"type": "auth", "token": "next"})

    place.revoke = revoke

    def expire():
        known["short"] = {"user": "bob", "exp": time.monotonic() + 0.3}
        return json.dumps({"type": "auth", "token": "short"})

    place.expire = expire
    async with running(handler, place=place) as place:
        yield place


def calculator():
    [handler] = answer("7.2")
    return running(handler, place=Place("", valid=json.dumps({"id": 1, "type": "calc", "body": {}})))


def formats():
    _, handler, options = answer("5.3")
    place = Place("", valid="<m><a>1</a></m>", headers={"Sec-WebSocket-Protocol": "kit.xml.v1"})
    return running(handler, place=place, **options())


@contextlib.asynccontextmanager
async def capstone():
    """The reference of the capstone: one of its servers, with its store and backplane."""
    from checkpoint.capstone import trials
    from checkpoint.capstone.alone import alone

    async with alone(trials.REFERENCE) as house:
        token = await house.admit("ada")
        body = {"v": 1, "type": "auth", "id": "1", "meta": None, "body": {"token": token}}
        beat = {"v": 1, "type": "beat", "id": "2", "meta": None, "body": {}}
        place = Place(house.url, valid=json.dumps(beat), first=json.dumps(body), limit=1 << 16, token=token)
        place.revoke = lambda: house.revoke(token)

        async def expire():
            return json.dumps(body | {"body": {"token": await house.admit("bob", lasts_s=0.5)}})

        place.expire = expire
        yield place


PLACES = {
    "echo": lambda: running(echo),
    "echo, hook": lambda: running(echo, hook=True),
    "echo, deflate": lambda: running(echo, compression="deflate"),
    "raises": tripping,
    "process": in_a_process,
    "web app": web_app,
    "3 club": first_message,
    "3 door": header,
    "5 careful": careful,
    "6 cart": stateful,
    "7 guarded": guarded,
    "8 market": market,
    "ex 3.3": secured,
    "ex 5.3": formats,
    "ex 7.2": calculator,
    "capstone": capstone,
}


# The attacker -------------------------------------------------------------------------------------------


class Raw:
    """A client that speaks bytes."""

    def __init__(self, place):
        self.place = place
        self.status = 0
        self.head = b""

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.place.port)
        return self

    async def __aexit__(self, *exc):
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def open(self, *, host=None, enter=True, **headers):
        """Shake hands, and be let in; returns the status."""
        given = {"Host": host or f"127.0.0.1:{self.place.port}", "Upgrade": "websocket", "Connection": "Upgrade"}
        given |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
        given |= (self.place.headers if enter else {}) | {
            key.replace("_", "-"): value for key, value in headers.items()
        }
        lines = ["GET / HTTP/1.1", *(f"{key}: {value}" for key, value in given.items()), "", ""]
        await self.send("\r\n".join(lines).encode("utf-8"))
        async with asyncio.timeout(PATIENCE_S):
            self.head = await self.reader.readuntil(b"\r\n\r\n")
        self.status = int(self.head.split(b" ")[1])
        if self.status == 101 and enter and self.place.first:
            await self.frame(Opcode.TEXT, self.place.first.encode())
            assert await self.read() is not None
        return self.status

    async def send(self, data):
        with contextlib.suppress(ConnectionError):
            if not (self.writer.is_closing() or self.reader.at_eof()):
                self.writer.write(data)
            await self.writer.drain()

    async def frame(self, opcode, data=b"", **fields):
        await self.send(Frame(opcode, data, **fields).serialize(mask=True))

    async def read(self):
        """The next data frame's payload; `None` at a close frame, whose code and reason are kept."""
        self.code, self.reason = None, ""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    head = await self.reader.readexactly(2)
                    size = head[1] & 0x7F
                    if size > 125:
                        size = int.from_bytes(await self.reader.readexactly({126: 2, 127: 8}[size]))
                    payload = await self.reader.readexactly(size)
                except (asyncio.IncompleteReadError, ConnectionError):
                    return None
                if head[0] & 0x0F == Opcode.CLOSE:
                    close = Close.parse(payload)
                    self.code, self.reason = int(close.code), close.reason
                    return None
                if head[0] & 0x0F < 8:
                    return payload

    async def ended(self):
        """The code with which the server closes, whatever it says before."""
        while await self.read() is not None:
            pass
        return self.code


# Attacks ------------------------------------------------------------------------------------------------


async def bound(place):
    """It listens on 127.0.0.1 only."""
    listening = [c for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == place.port]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


async def origin(place):
    """A foreign, a look-alike and a `null` Origin are refused with 403."""
    for shown in ("https://evil.example", f"http://127.0.0.1.evil.example:{place.port}", "null"):
        async with Raw(place) as client:
            assert await client.open(Origin=shown) == 403, shown


async def host(place):
    """A foreign Host, as in DNS rebinding, is refused with 403."""
    for shown in ("evil.example", "127.0.0.1.evil.example", f"evil.example:{place.port}"):
        async with Raw(place) as client:
            assert await client.open(host=shown) == 403, shown


async def first(place):
    """Whoever does not say who it is, is told 4408 after the limit; whoever says it wrongly 4401."""
    ways = [b'{"token": "wrong"}', b'{"type": "auth", "token": "wrong"}', b"no json", b"[1]", '{"token": "é"}'.encode()]
    for shown, opcode in [*((way, Opcode.TEXT) for way in ways), (b"\x00\xff", Opcode.BINARY)]:
        async with Raw(place) as client:
            await client.open(enter=False)
            await client.frame(opcode, shown)
            assert await client.ended() == 4401, shown
    async with Raw(place) as client:
        await client.open(enter=False)
        assert await client.ended() == 4408


async def token(place):
    """A token that is not known, not ASCII or empty is refused with 401."""
    for shown in ("Bearer wrong", "Bearer é", "Bearer ", ""):
        async with Raw(place) as client:
            assert await client.open(enter=False, Authorization=shown) == 401, shown


async def revoked(place):
    """An open connection whose token is revoked is ended with 4403, and within a second."""
    async with Raw(place) as client:
        await client.open()
        began = time.monotonic()
        revoking = place.revoke()
        if asyncio.iscoroutine(revoking):
            await revoking
        assert await client.ended() == 4403 and time.monotonic() - began < 1.3


async def expired(place):
    """An open connection whose token expires is ended with 4401."""
    short = place.expire()
    async with Raw(replace(place, first=await short if asyncio.iscoroutine(short) else short)) as client:
        await client.open()
        assert await client.ended() == 4401


async def too_big(place):
    """One byte over the limit is closed with 1009, as soon as its header says so."""
    async with Raw(place) as client:
        await client.open()
        await client.send(bytes([0x81, 0xFF]) + (place.limit + 1).to_bytes(8) + b"abcd")
        assert await client.ended() == 1009


async def fragments(place):
    """5,000 empty fragments are closed with 1009."""
    async with Raw(place) as client:
        await client.open()
        empty = Frame(Opcode.CONT, b"", False).serialize(mask=True)
        await client.send(Frame(Opcode.TEXT, b"", False).serialize(mask=True) + empty * 5000)
        assert await client.ended() == 1009


async def bomb(place):
    """20 MB of zeros, compressed: refused, or not understood where compression was not agreed."""
    async with Raw(place) as client:
        await client.open(Sec_WebSocket_Extensions="permessage-deflate")
        agreed = b"permessage-deflate" in client.head
        packer = zlib.compressobj(9, wbits=-15)
        data = packer.compress(bytes(20_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
        await client.send(bytes([0xC2, 0xFE]) + len(data[:-4]).to_bytes(2) + bytes(4) + data[:-4])
        assert await client.ended() == (1009 if agreed else 1002)


async def slow_handshake(place):
    """A handshake of one byte in a while, and one that never begins, are closed at the open time-out."""
    async with Raw(place) as silent, Raw(place) as slow:
        for byte in b"GET / HTTP/1.1":
            await slow.send(bytes([byte]))
            await asyncio.sleep(0.05)
        async with asyncio.timeout(PATIENCE_S):
            for client in (silent, slow):
                with contextlib.suppress(ConnectionError):
                    assert b"101" not in await client.reader.read()


FRAMES = {
    "unmasked": b"\x81\x05hello",
    "reserved bit": b"\xa1\x85abcdhello",
    "unknown opcode": b"\x83\x85abcdhello",
    "ping over 125 bytes": b"\x89\xfe\x00\x7eabcd" + bytes(126),
    "close code 1005": Frame(Opcode.CLOSE, (1005).to_bytes(2)).serialize(mask=True),
}


async def no_frames(place):
    """Unmasked, a reserved bit, an unknown opcode, a ping over 125 bytes, close code 1005: 1002."""
    for name, data in FRAMES.items():
        async with Raw(place) as client:
            await client.open()
            await client.send(data)
            assert await client.ended() == 1002, name


async def no_utf8(place):
    """A text that is no UTF-8 is closed with 1007."""
    async with Raw(place) as client:
        await client.open()
        await client.frame(Opcode.TEXT, b"caf\xe9")
        assert await client.ended() == 1007


JSON = [b"[" * 50_000, b"9" * 5_000, b"NaN", b"null", b"3", b'"text"', b"no json", b'{"id": 1, "body": NaN}', b"{}"]


async def no_json(place):
    """50,000 brackets, 5,000 digits, NaN, null, 3: an error reply or 1007, never 1011."""
    for text in JSON:
        async with Raw(place) as client:
            await client.open()
            await client.frame(Opcode.TEXT, text)
            reply = await client.read()
            assert reply is not None or client.code in (1007, 1008), (text[:20], client.code)


async def no_xml(place):
    """Entities that expand, and one from outside, are refused."""
    ten = "&a;" * 10
    doctype = f'<!DOCTYPE m [<!ENTITY a "ha"><!ENTITY b "{ten}">]><m><x>&b;</x></m>'
    outside = '<!DOCTYPE m [<!ENTITY a SYSTEM "file:///etc/hostname">]><m><x>&a;</x></m>'
    for text in (doctype, outside):
        async with Raw(place) as client:
            assert await client.open() == 101
            await client.frame(Opcode.TEXT, text.encode())
            reply = await client.read()
            assert (reply is None and client.reason == "") or b"ha" not in reply


async def slow_reader(place):
    """Who asks and never reads holds up no other, and takes no more memory than its buffers."""
    async with Raw(place) as deaf, Raw(place) as other:
        deaf.writer.transport.set_write_buffer_limits(high=0)
        await deaf.open()
        await other.open()
        one = Frame(Opcode.TEXT, place.valid.encode()).serialize(mask=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    await deaf.send(one * 500)
                    await asyncio.sleep(0)
        await other.frame(Opcode.TEXT, place.valid.encode())
        assert await other.read() is not None
        if place.kit is not None:
            held = [connection.transport.get_write_buffer_size() for connection in place.kit.all_connections]
            assert max(held) < LIMIT


async def raising(place):
    """Where a handler raises, the peer gets 1011 with an empty reason, or an error reply: nothing from inside."""
    async with Raw(place) as client:
        await client.open()
        await client.frame(Opcode.TEXT, place.raises.encode())
        reply = await client.read()
        told = f"{reply}{client.reason}"
        assert reply is not None or client.code == 1011
        assert not any(word in told for word in ("Error", "Traceback", ".py", "line "))


async def logged(place):
    """Control characters and line ends that a peer sends forge no line of a log, and no token gets there."""
    with record(place.kit) as recording:
        async with Raw(place) as client:
            await client.open()
            await client.frame(Opcode.TEXT, f"{NASTY} {place.token}".encode())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.read(), 0.2)
    text = f"{recording}{recording.narrate()}"
    assert "\x1b" not in text and "\x07" not in text and "\nforged" not in text
    assert not place.token or place.token not in text


async def shown(place):
    """Markup in a payload is text in every picture."""
    with record(place.kit) as recording:
        async with Raw(place) as client:
            await client.open()
            await client.frame(Opcode.TEXT, SCRIPT.encode())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.read(), 0.2)
    bundle = await asyncio.to_thread(recording._repr_mimebundle_)
    assert set(bundle) <= {"text/plain", "image/png"}
    assert "<script>" in str(recording)


async def long_reason(place):
    """A close reason over 123 bytes is cut, between two characters, where the server ends."""
    async with Raw(place) as client:
        await client.open()
        stopping = asyncio.create_task((place.process or place.kit).stop(1012, "é" * 100))
        assert await client.ended() == 1012 and client.reason == "é" * 61
        await stopping


ROWS = {
    "bound to 127.0.0.1": bound,
    "foreign Origin": origin,
    "foreign Host": host,
    "first message": first,
    "token in the header": token,
    "one byte too much": too_big,
    "5,000 fragments": fragments,
    "20 MB of zeros": bomb,
    "slow handshake": slow_handshake,
    "no frame": no_frames,
    "no UTF-8": no_utf8,
    "JSON": no_json,
    "XML": no_xml,
    "slow reader": slow_reader,
    "handler raises": raising,
    "log": logged,
    "<script>": shown,
    "token expired": expired,
    "token revoked": revoked,
    "long close reason": long_reason,  # which ends the server
}

OPEN = "it lets everybody in"
NOT = {
    "foreign Origin": {"web app": "its pages are plain HTTP, for every program of this computer"},
    "first message": {"3 club": "the first version of it: what it lets through is what exercise 3.3 asks for"},
    "slow handshake": {"capstone": "its time-out is the library's, 10 s, where the others set half a second"},
    "JSON": {
        "3 club": "what a handler does with bad messages is the subject of lesson 7",
        "3 door": "what a handler does with bad messages is the subject of lesson 7",
    },
    "slow reader": {
        "raises": "it answers nobody",
        "capstone": "its trial of that has three clients and a limit",
    },
    "log": {"process": "its log is recorded in the kernel, as that of the others"},
    "long close reason": {"capstone": "its reasons are its own, none is over 30 bytes"},
}
ONLY = {
    "first message": ({"ex 3.3", "capstone", "3 club"}, OPEN + " or looks at the handshake"),
    "token in the header": ({"3 door"}, OPEN + " or reads the first message"),
    "token revoked": ({"ex 3.3", "capstone"}, "it knows no revocation"),
    "token expired": ({"ex 3.3", "capstone", "3 club"}, "it knows no token, or looks at it only at the handshake"),
    "JSON": ({"3 club", "3 door", "5 careful", "7 guarded", "8 market", "ex 7.2", "capstone"}, "it reads no JSON"),
    "XML": ({"ex 5.3"}, "it reads no XML"),
    "handler raises": ({"raises", "3 club", "3 door", "6 cart", "7 guarded"}, "no message is known that it trips over"),
    "log": ({*PLACES} - {"process", "capstone", "web app"}, "what it logs is tried by its own trials"),
    "<script>": ({"echo", "echo, hook", "raises"}, "the pictures are the same for every server"),
}
HTTP = {"bound to 127.0.0.1", "foreign Host"}  # all that a server without WebSocket is asked


def reason(row, place):
    """Why a row does not apply to a place, or an empty string."""
    if place == "web app" and row not in HTTP:
        return NOT.get(row, {}).get(place) or "it serves no WebSocket"
    if place in NOT.get(row, {}):
        return NOT[row][place]
    applies, why = ONLY.get(row, (PLACES, ""))
    return "" if place in applies else why


async def attack(name):
    """What each row that applies found: an empty string, or what was wrong."""

    async def tried(row, place):
        try:
            await row(place)
        except Exception as exc:
            return " ".join(f"{type(exc).__name__}: {exc}".split())[:160] or "failed"
        return ""

    async with PLACES[name]() as place:
        rows = {told: row for told, row in ROWS.items() if not reason(told, name)}
        slow = asyncio.create_task(tried(rows.pop("slow handshake", bound), place))  # beside the others
        last = rows.pop("long close reason", None)
        found = {told: await tried(row, place) for told, row in rows.items()}
        if not reason("slow handshake", name):
            found["slow handshake"] = await slow
        return found | ({"long close reason": await tried(last, place)} if last else {})


def attacked(name):
    """The same, on a thread: there nobody takes an attacker that keeps the loop busy for a handler that blocks it."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, attack(name)).result()


@pytest.mark.parametrize("name", PLACES)
def test_attacks(name):
    """A server stands each attack that applies to it."""
    if name in ("process", "capstone") and not engines.available():
        pytest.skip("an engine is missing")
    assert {row: wrong for row, wrong in attacked(name).items() if wrong} == {}


def test_every_exception_is_needed():
    """What is left out names rows and servers that exist, and every row is tried on some server."""
    for row, names in NOT.items():
        assert row in ROWS and set(names) <= set(PLACES)
    for row, (names, why) in ONLY.items():
        assert row in ROWS and names <= set(PLACES) and why
    for row in ROWS:
        assert any(not reason(row, place) for place in PLACES)


def test_tokens_are_compared_in_constant_time():
    """Where a token is compared, `hmac.compare_digest` does it, on bytes."""
    sources = {"3": (SOURCES / "03_patterns.py").read_text("utf-8"), "3.2": references()["3.2"]}
    for name, source in sources.items():
        assert "hmac.compare_digest(" in source, name
        assert "token ==" not in source and "== token" not in source, name


def main():
    """Print the matrix."""
    found = {}
    for name in PLACES:
        found[name] = attacked(name)
        print(f"{name}: {sum(not wrong for wrong in found[name].values())} of {len(found[name])} stood", flush=True)
        for row, wrong in found[name].items():
            if wrong:
                print(f"  FAIL {row}: {wrong}")
    width = max(map(len, ROWS))
    print("\n" + " " * width, *(f"{number:>2}" for number in range(1, len(PLACES) + 1)))
    reasons = {}
    for row in ROWS:
        cells = []
        for place in PLACES:
            if why := reason(row, place):
                cells.append(chr(96 + reasons.setdefault(why, len(reasons) + 1)))
            else:
                cells.append("FAIL" if found[place][row] else "ok")
        print(row.ljust(width), *(f"{cell:>2}" for cell in cells))
    print("\n" + "\n".join(f"{number:>2} {place}" for number, place in enumerate(PLACES, 1)))
    print("\n" + "\n".join(f" {chr(96 + number)} {why}" for why, number in reasons.items()))


if __name__ == "__main__":
    main()
