"""Question 6: what a handshake is answered with."""

import asyncio
import contextlib

from wslab.trace import Kind

from .forms import OneOf
from .model import LESSONS, Evidence, Question, Why, played, table

STATUSES = (101, 400, 401, 403, 405, 426, 500, 503, 505)
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
SHOP, EVIL = "https://shop.example", "https://evil.example"

# What the server is given and what the client sends, in words, and the same for the machine: options, changes of the
# request (a header that is None is left out), and why.
PLAIN = "nothing special"
CASES = {
    "plain": (
        PLAIN,
        "GET with Host only",
        {},
        dict.fromkeys(("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")),
        "who does not ask to upgrade is told that an upgrade is required",
    ),
    "hop": (
        PLAIN,
        "a handshake that lost its Upgrade header in a proxy",
        {},
        {"Upgrade": None},
        "Upgrade is hop-by-hop: without it this is a plain request",
    ),
    "no key": (
        PLAIN,
        "a handshake without Sec-WebSocket-Key",
        {},
        {"Sec-WebSocket-Key": None},
        "it asks to upgrade, but the request itself is bad",
    ),
    "version": (
        PLAIN,
        "a handshake with Sec-WebSocket-Version: 8",
        {},
        {"Sec-WebSocket-Version": "8"},
        "it asks to upgrade, but the request itself is bad",
    ),
    "post": (PLAIN, "POST instead of GET, no body", {}, {"method": "POST"}, "the method is what is not allowed"),
    "old http": (PLAIN, "a handshake in HTTP/1.0", {}, {"protocol": "HTTP/1.0"}, "the version of HTTP is too old"),
    "evil origin": (
        f'`origins=["{SHOP}"]`',
        f"a handshake with Origin: {EVIL}",
        {"origins": [SHOP]},
        {"Origin": EVIL},
        "the server knows where it comes from, and does not let it in",
    ),
    "no origin": (
        f'`origins=["{SHOP}"]`',
        "a handshake without Origin",
        {"origins": [SHOP]},
        {},
        "a list of origins without None lets nobody in who names none",
    ),
    "origin": (
        f'`origins=["{SHOP}"]`',
        f"a handshake with Origin: {SHOP}",
        {"origins": [SHOP]},
        {"Origin": SHOP},
        "this origin is on the list",
    ),
    "format": (
        '`subprotocols=["kit.json.v1"]`',
        "a handshake that offers kit.xml.v1",
        {"subprotocols": ["kit.json.v1"]},
        {"Sec-WebSocket-Protocol": "kit.xml.v1"},
        "they have no format in common: nobody is unknown here, and nothing is forbidden",
    ),
    "formats": (
        '`subprotocols=["kit.json.v1", "kit.xml.v1"]`',
        "a handshake that offers kit.xml.v1",
        {"subprotocols": ["kit.json.v1", "kit.xml.v1"]},
        {"Sec-WebSocket-Protocol": "kit.xml.v1"},
        "one format in common is enough",
    ),
    "no token": (
        "`process_request` answers `respond(401, ...)` without a token",
        "a handshake without Authorization",
        "door",
        {},
        "the door asks who it is",
    ),
    "token": (
        "`process_request` answers `respond(401, ...)` without a token",
        "a handshake with the right Authorization",
        "door",
        {"Authorization": "Bearer right"},
        "the door returns None: the handshake goes on",
    ),
    "raises": (
        "`process_request` raises KeyError",
        "a right handshake",
        "broken",
        {},
        "an exception at the door is the server's own error",
    ),
    "closing": (
        "`server.close()` was called while `process_request` looked at this one",
        "a right handshake",
        "slow",
        {},
        "whoever is still in the door when the server closes is told that it is not available",
    ),
}


class Handshakes(Question):
    number, title, group = 6, "Six handshakes, six answers", 3
    lesson = f"{LESSONS}03_patterns.ipynb#3-At-the-door"
    about = ("3.2", "5.3", "p3.1", "r4", "e5.1", "e5.5", "e5.7")

    def draw(self, dice):
        return {"cases": dice.sample(list(CASES), 6)}

    def ask(self, drawn, evidence):
        rows = [(row, *CASES[case][:2]) for row, case in zip("abcdef", drawn["cases"], strict=True)]
        return (
            f"Each row is a server of `websockets` and what a client sends to it.\n\n{table(('', 'server', 'client'), rows)}"
            "\n\nWith which HTTP status does each handshake end? 101 if it succeeds."
        )

    def forms(self, drawn):
        return dict.fromkeys("abcdef", OneOf(STATUSES))

    async def record(self, drawn):
        go, looking = asyncio.Event(), asyncio.Event()

        async def handler(ws):
            await ws.wait_closed()

        def door(connection, request):
            known = request.headers.get("Authorization") == "Bearer right"
            return None if known else connection.respond(401, "who are you?\n")

        def broken(connection, request):
            raise KeyError("user")

        async def slow(connection, request):
            looking.set()
            await go.wait()

        doors = {"door": door, "broken": broken, "slow": slow}
        rows = dict(zip("abcdef", drawn["cases"], strict=True))
        servers = []
        for row, case in rows.items():
            options = CASES[case][2]
            servers.append((row, handler, {"process_request": doors[options]} if isinstance(options, str) else options))
        async with played(*servers) as (*running, recording):
            for server, case in zip(running, rows.values(), strict=True):
                asking = asyncio.create_task(_ask(server, CASES[case][3]))
                if case == "closing":
                    await looking.wait()
                    server.library.close()
                    await asyncio.sleep(0)
                    go.set()
                await asking
                await recording.settled()
        return Evidence(recording)

    def key(self, drawn, evidence):
        return {event.source: event.code for event in evidence.events if event.kind is Kind.RESPONSE}

    def why(self, part, said, drawn, evidence):
        case = drawn["cases"]["abcdef".index(part)]
        return Why(CASES[case][4], lambda event: event.kind is Kind.RESPONSE and event.source == part)


async def _ask(server, changes):
    """Send one request as bytes, wait for the head of the answer, and leave."""
    asked = {"method": "GET", "protocol": "HTTP/1.1"} | UPGRADE | changes
    head = [f"{asked.pop('method')} / {asked.pop('protocol')}"]
    head += [f"{name}: {value}" for name, value in asked.items() if value is not None]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tap.port)
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        writer.write("\r\n".join([*head, "", ""]).encode())
        await reader.readuntil(b"\r\n\r\n")
    writer.close()


QUESTIONS = (Handshakes(),)
