"""Questions 8 and 9: where a token crosses the wire, and what happens when it runs out."""

import asyncio
import logging
import struct

from wslab.sources import watch_log
from wslab.trace import FRAMES, Kind

from .forms import Places, Seconds
from .model import LESSONS, Evidence, Question, Why, dial, fenced, played

KEY = b"\x07\x11\x13\x17"


class Leaks(Question):
    number, title, group = 8, "Every place of the token", 3
    lesson = f"{LESSONS}03_patterns.ipynb#6-Where-a-token-must-not-be"
    about = ("3.1", "3.2", "p3.3", "e3.1", "e5.1", "e5.2")
    shown = True
    UP = ("path", "authorization", "cookie", "protocol", "message")

    def draw(self, dice):
        places = dice.sample(self.UP, dice.randint(2, 3))
        if dice.random() < 0.5:
            places.append("reply")
        name = dice.choice(("ada", "bob", "cem"))
        return {"places": sorted(places), "token": f"{dice.getrandbits(40):010x}", "name": name}

    def ask(self, drawn, evidence):
        request, answer = (event for event in evidence.events if event.kind in (Kind.REQUEST, Kind.RESPONSE))
        frames = [event for event in evidence.events if event.kind is Kind.TEXT]
        lines = [line + "\\r\\n" for line in request.raw.decode().split("\r\n")[:-1]]
        down = [f"the head of the 101, {len(answer.raw)} bytes, without the token"]
        up = ["the request, each line with its two bytes \\r\\n:", *(f"    {line}" for line in lines), "then:"]
        for event in frames:
            header = event.wire_bytes - event.length
            key = ", the last 4 of them the key" if event.masked else ""
            (up if event.up else down).append(
                f"a frame: {header} bytes of header{key}; payload, unmasked: {event.text}"
            )
        return (
            f"A client that has the token `{drawn['token']}`, and everything that it and the server sent. Places are counted "
            f"in bytes from 0, in each direction for itself.\n\n{fenced('UP', *up, '', 'DOWN', *down)}\n\n"
            "At which places does the token begin, up and down? (The mask changes what bytes are there, not where.) The "
            "server writes one line for each handshake into its log, at level INFO: path and status. Which of the places "
            "up can be read there?"
        )

    def forms(self, drawn):
        return {"up": Places(400, 4, least=1), "down": Places(300, 2), "in_log": Places(400, 4)}

    async def record(self, drawn):
        token, places = drawn["token"], drawn["places"]
        log = logging.Logger("questions.access", logging.INFO)
        watch_log(log, server="Gate")

        def note(connection, request, response):
            log.info("%s %d", request.path, response.status_code)

        async def gate(ws):
            await ws.recv()
            shown = f', "token": "{token}"' if "reply" in places else ""
            await ws.send(f'{{"welcome": "{drawn["name"]}"{shown}}}')
            await ws.wait_closed()

        options = {"process_response": note, "subprotocols": ["kit.json.v1"]}
        async with played(("Gate", gate, options), reveal=[token]) as (server, recording):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.tap.port)
            writer.write(self._request(drawn))
            await reader.readuntil(b"\r\n\r\n")
            shown = f', "token": "{token}"' if "message" in places else ""
            writer.write(masked(f'{{"hello": "{drawn["name"]}"{shown}}}'.encode()))
            await reader.readuntil(b"}")
            await recording.settled()
            writer.close()
            await recording.settled()
        return Evidence(recording)

    def _request(self, drawn):
        token, places = drawn["token"], drawn["places"]
        lines = [
            f"GET /live?name={drawn['name']}" + f"&token={token}" * ("path" in places) + " HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            *([f"Cookie: session={token}"] if "cookie" in places else []),
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *([f"Authorization: Bearer {token}"] if "authorization" in places else []),
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: kit.json.v1" + f", {token}" * ("protocol" in places),
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def key(self, drawn, evidence):
        token = drawn["token"].encode()
        found = {"up": [], "down": [], "in_log": []}
        log = next(event.text for event in evidence.events if event.kind is Kind.LOG)
        sent = {True: 0, False: 0}
        for event in evidence.events:
            if event.kind not in FRAMES | {Kind.REQUEST, Kind.RESPONSE}:
                continue
            is_frame = event.kind in FRAMES
            data = event.payload if is_frame else event.raw
            begin = sent[event.up] + (event.wire_bytes - event.length if is_frame else 0)
            at = data.find(token)
            while at >= 0:
                found["up" if event.up else "down"].append(begin + at)
                if event.kind is Kind.REQUEST and at < data.index(b"\r\n") and drawn["token"] in log:
                    found["in_log"].append(begin + at)
                at = data.find(token, at + 1)
            sent[event.up] += event.wire_bytes
        return found

    def why(self, part, said, drawn, evidence):
        if part == "in_log":
            return Why(
                "look at what was logged: it holds a path and a status, no header and no message",
                lambda event: event.kind is Kind.LOG,
            )
        up = part == "up"
        line = (
            "count every byte before it in this direction: the lines of the request with their line ends, then the frames "
            "with their headers"
        )
        token = drawn["token"].encode()
        holding = [event for event in evidence.events if event.up == up and token in event.raw + event.payload]
        return Why(line, lambda event: event in holding or (not holding and not event.up and event.kind is Kind.TEXT))


def masked(payload):
    """A text frame of a client (RFC 6455 5.2), with a key that is always the same."""
    masking = bytes(byte ^ KEY[place % 4] for place, byte in enumerate(payload))
    return struct.pack("!BB", 0x81, 0x80 | len(payload)) + KEY + masking


class Expiry(Question):
    number, title, group = 9, "The token runs out", 3
    lesson = f"{LESSONS}03_patterns.ipynb#5-When-the-token-runs-out"
    about = ("3.3", "p3.2", "p3.1", "r6", "r4")
    timed = True
    WATCHED_S, LEEWAY_S = 0.6, 0.1

    def draw(self, dice):
        return {
            "variants": dice.sample(("asked", "timer", "sweep", "leeway"), 3),
            "lives": dice.choice((0.12, 0.17, 0.22, 0.27, 0.32)),
            "every": dice.choice((0.1, 0.15, 0.2)),
        }

    def ask(self, drawn, evidence):
        bodies = {
            "asked": ["async for text in ws:", "    if now() >= expires:", '        await ws.close(4401, "expired")'],
            "timer": [
                "with suppress(TimeoutError):",
                "    async with asyncio.timeout(expires - now()):",
                "        await ws.wait_closed()",
                'await ws.close(4401, "expired")',
            ],
            "sweep": [
                "while now() < expires:",
                f"    await asyncio.sleep({drawn['every']})",
                'await ws.close(4401, "expired")',
            ],
            "leeway": [
                "with suppress(TimeoutError):",
                f"    async with asyncio.timeout(expires + {self.LEEWAY_S} - now()):",
                "        await ws.wait_closed()",
                'await ws.close(4401, "expired")',
            ],
        }
        code = []
        for number, variant in enumerate(drawn["variants"], 1):
            code += [f"async def v{number}(ws):", *(f"    {line}" for line in bodies[variant]), ""]
        return (
            f"Three servers. `now()` is 0 when a client has connected, and `expires` is {drawn['lives']}.\n\n"
            f"{fenced(*code[:-1], language='python')}\n\nThe client connects, reads, and says nothing for {self.WATCHED_S} s; "
            'then it leaves. After how many seconds does each server end the connection? `"open"` if it does not.'
        )

    def forms(self, drawn):
        return dict.fromkeys(("v1", "v2", "v3"), Seconds(self.WATCHED_S, step=0.01, within=0.03, never="open"))

    async def record(self, drawn, pace=1):
        async def v(ws):
            loop = asyncio.get_running_loop()
            expires = loop.time() + drawn["lives"] * pace
            variant = drawn["variants"][int(ws.request.path[2]) - 1]
            if variant == "asked":
                async for _ in ws:
                    if loop.time() >= expires:
                        await ws.close(4401, "expired")
                return
            if variant == "sweep":
                while loop.time() < expires:
                    await asyncio.sleep(drawn["every"] * pace)
            else:
                late = self.LEEWAY_S * pace if variant == "leeway" else 0
                await asyncio.wait([asyncio.ensure_future(ws.wait_closed())], timeout=expires + late - loop.time())
            await ws.close(4401, "expired")

        async def stay(server, name):
            async with dial(server, name, f"/{name}") as ws:
                await asyncio.wait([asyncio.ensure_future(ws.wait_closed())], timeout=self.WATCHED_S * pace)

        async with played(("Gate", v, {})) as (server, recording):
            await asyncio.gather(*(stay(server, name) for name in ("v1", "v2", "v3")))
            await recording.settled()
        return Evidence(recording, pace=pace)

    def key(self, drawn, evidence):
        found = {}
        for name in ("v1", "v2", "v3"):
            events = [event for event in evidence.events if event.connection == name]
            opened = next(event for event in events if event.kind is Kind.RESPONSE)
            first = next(event for event in events if event.kind is Kind.CLOSE)
            found[name] = "open" if first.up else evidence.seconds(opened, first)
        return found

    def why(self, part, said, drawn, evidence):
        line = "find the line that looks at the clock, and when it is reached for a client that says nothing"
        return Why(line, lambda event: event.connection == part and event.kind is Kind.CLOSE)


QUESTIONS = (Leaks(), Expiry())
