"""Question 20: how connections end, and what each end looks like to the client."""

import asyncio

from websockets import ConnectionClosed

from wslab.trace import Kind

from .forms import OneOf
from .model import LESSONS, Evidence, Question, Why, dial, played, table

OK, ERROR = "ConnectionClosedOK", "ConnectionClosedError"
STEPS = ("done", "retry", "retry_later", "refresh_token", "fix_code")
LARGEST, PING_S = 100, 0.1
GIVE_UP_S, PATIENT_S = 0.1, 2.0  # how long a client waits for a close frame that will not come, and for one that will

# What happens; {code} is drawn.
KINDS = {
    "returns": "the handler returns",
    "goes": "the server closes with 1001",
    "bare": "the server sends a close frame without a code",
    "raises": "the handler raises KeyError",
    "restarts": "the server closes with 1012",
    "full": "the server closes with 1013",
    "own": "the server closes with {code}",
    "expired": "the server closes with 4401",
    "large": "the client sends 101 bytes to a server with max_size=100",
    "cut": "the wire is cut (TCP reset)",
    "silent": "every byte vanishes; the client's pings notice it",
    "leaves": "the client closes with {code}, the server answers",
    "unheard": "the client closes with {code}; its frame vanishes, and after close_timeout it gives up",
}
NEXT = (
    "1000, 1005 `done` · 1001, 1006, 1011, 1012 `retry` · 1013 `retry_later` · 4401 `refresh_token` · "
    "1002, 1003, 1007 to 1010 and every other code of your own `fix_code`"
)


def next_step(close_code):
    """The decision of exercise 7.4, by close code."""
    if close_code in (1000, 1005):
        return "done"
    if close_code in (1001, 1006, 1011, 1012):
        return "retry"
    return {1013: "retry_later", 4401: "refresh_token"}.get(close_code, "fix_code")


class Ends(Question):
    number, title, group = 20, "The table of ends", 7
    lesson = f"{LESSONS}07_error_handling.ipynb#5-The-table-of-ends"
    about = ("7.1", "7.4", "p7.1", "p7.2", "e7.6", "p4.4", "e4.4", "m7")
    spare = 3

    def draw(self, dice):
        ends = []
        for kind in dice.sample(list(KINDS), 6):
            own = dice.choice((dice.randint(3000, 3999), dice.randint(4000, 4400), dice.randint(4410, 4999)))
            ends.append((kind, own if "{code}" in KINDS[kind] else None))
        return {"ends": ends}

    def ask(self, drawn, evidence):
        rows = [(row, KINDS[kind].format(code=code)) for row, (kind, code) in zip("abcdef", drawn["ends"], strict=True)]
        return (
            f"Six connections, and how each ends:\n\n{table(('', 'what happens'), rows)}\n\nWhat does the **client** see? For each row: "
            f'the exception of `recv()` (`"{OK}"` or `"{ERROR}"`), the code of `exc.rcvd` or `None`, the code of '
            '`exc.sent` or `None`, `ws.close_code`, whether `async for` ends `"quiet"` or `"raises"`, and the next step by '
            f"the close code: {NEXT}.\n\nThree of the 36 cells may be wrong."
        )

    def forms(self, drawn):
        own = [code for _, code in drawn["ends"] if code]
        codes = (1000, 1001, 1005, 1006, 1009, 1011, 1012, 1013, 4401, *own)
        row = {
            "exception": OneOf((OK, ERROR)),
            "rcvd": _Code((*codes, None)),
            "sent": _Code((*codes, None)),
            "close_code": OneOf(codes),
            "loop": OneOf(("quiet", "raises")),
            "next": OneOf(STEPS),
        }
        return dict.fromkeys("abcdef", row)

    async def record(self, drawn):
        rows = dict(zip("abcdef", drawn["ends"], strict=True))

        async def ender(ws):
            row = ws.request.path.rpartition("=")[2]
            kind, code = rows[row]
            if kind != "large":  # there the library itself closes
                await ws.recv()
            closes = {"goes": 1001, "restarts": 1012, "full": 1013, "own": code, "expired": 4401}
            if kind == "raises":
                raise KeyError("price")
            if kind in closes:
                await ws.close(closes[kind])
            elif kind == "bare":
                async with ws.send_context():
                    ws.protocol.send_close()
            elif kind == "cut":
                server.tap.cut(row)
            elif kind in ("silent", "unheard"):
                server.tap.blackhole(row)
            if kind != "returns":
                await ws.wait_closed()

        async def meet(row):
            kind, code = rows[row]
            patience = PING_S if kind == "silent" else None
            close_s = GIVE_UP_S if kind in ("silent", "unheard") else PATIENT_S
            async with dial(server, row, ping_interval=patience, ping_timeout=patience, close_timeout=close_s) as ws:
                await ws.send("x" * (LARGEST + 1) if kind == "large" else "begin")
                if kind == "leaves":
                    await ws.close(code)
                elif kind == "unheard":
                    await gone.wait()
                    await ws.close(code)
                return await _seen(ws)

        gone = asyncio.Event()
        options = {"max_size": LARGEST, "close_timeout": 3 * GIVE_UP_S, "ping_interval": None}
        async with played(("Ender", ender, options)) as (server, recording):
            tasks = {row: asyncio.create_task(meet(row)) for row in rows}
            await self._begun(recording, rows)
            gone.set()
            seen = {row: await task for row, task in tasks.items()}
            await server.stop()
        return Evidence(recording, seen)

    async def _begun(self, recording, rows):
        """Wait until the first message of each connection whose client is to close unheard has arrived."""
        waiting = {row for row, (kind, _) in rows.items() if kind == "unheard"}
        while waiting - {event.connection for event in list(recording.trace) if event.kind is Kind.TEXT and event.up}:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # and its handler has made the wire silent

    def key(self, drawn, evidence):
        return {row: list(evidence.facts[row]) for row in "abcdef"}

    def why(self, part, said, drawn, evidence):
        row, column = part.split(", ")
        lines = {
            "exception": "OK stands for 1000, 1001 and 1005, on both sides; everything else is an error",
            "rcvd": "the close frame that came from the server, if one came",
            "sent": "the close frame that the client sent, first or as its answer; a frame that vanished was sent",
            "close_code": "it is what was received; where nothing was, a number stands in that never crosses the wire",
            "loop": "async for ends quietly where recv() would raise ConnectionClosedOK",
            "next": "read it from the list, by the close code",
        }
        return Why(lines[column], lambda event: event.connection == row and event.kind in (Kind.CLOSE, Kind.END))


class _Code(OneOf):
    """A close code, or none."""

    def fits(self, value):
        return value is None or (type(value) is int)


async def _seen(ws):
    """(exception, rcvd, sent, close code, loop, next step), from a connection that is ending."""
    loop = "quiet"
    try:
        async for _ in ws:
            pass
    except ConnectionClosed:
        loop = "raises"
    try:
        await ws.recv()
    except ConnectionClosed as exc:
        rcvd, sent = (frame and int(frame.code) for frame in (exc.rcvd, exc.sent))
        code = int(ws.close_code)
        return type(exc).__name__, rcvd, sent, code, loop, next_step(code)


QUESTIONS = (Ends(),)
