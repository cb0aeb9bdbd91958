"""Question 18: what an envelope decoder says."""

import json

from wslab.trace import DATA

from .forms import OneOf
from .model import LESSONS, Evidence, Question, Why, dial, played, table


class Envelope(Question):
    number, title, group = 18, "What the decoder says", 5
    lesson = f"{LESSONS}05_data_format.ipynb#5-The-envelope"
    about = ("5.2", "3.4", "p5.3", "e5.6", "p7.2")
    LIMIT = 60
    CODES = ("ok", "not_text", "too_big", "bad_json", "not_object", "bad_type", "bad_version")
    # What the message is, its bytes or text, and what to look at.
    CASES = (
        ('{"v": 1, "type": "bid", "body": 5}', "it has what an envelope needs; what else it holds does not matter"),
        ('{"v": 1, "type": "bid", "trace": 7}', "a key that this decoder does not know is not a fault"),
        ('{"v": 1, "type": "chat", "body": "' + "é" * 20 + '"}', "the limit counts bytes of UTF-8, not characters"),
        ('{"v": 1, "type": "chat", "body": "' + "x" * 24 + '"}', "compare its bytes with the limit"),
        ('{"v": 1, "type": "chat", "body": "' + "x" * 25 + '"}', "compare its bytes with the limit"),
        (b'{"v": 1, "type": "bid"}', "its kind is looked at before what it holds"),
        ('{"v": 1, "type": "bid"', "it is no JSON"),
        ("{'v': 1, 'type': 'bid'}", "JSON has one kind of quotes"),
        ('{"v": 1, "type": "bid", "body": NaN}', "Python's json reads it, but JSON has no such value"),
        ("null", "valid JSON is not always an object"),
        ('[{"v": 1, "type": "bid"}]', "valid JSON is not always an object"),
        ("3", "valid JSON is not always an object"),
        ('{"v": 1, "body": "bid"}', "something that an envelope needs is not there"),
        ('{"v": 1, "type": 7}', "the type of a message is a text"),
        ('{"v": 2, "type": "bid"}', "it says itself which version it is"),
        ('{"v": "1", "type": "bid"}', "a text is not a number"),
        ('{"type": "bid"}', "it has a type, and says nothing about its version"),
    )

    def draw(self, dice):
        return {"cases": dice.sample(range(len(self.CASES)), 6)}

    def ask(self, drawn, evidence):
        rows = [(row, f"`{self.CASES[number][0]!r}`") for row, number in zip("abcdef", drawn["cases"], strict=True)]
        return (
            f"`decode(raw, max_bytes={self.LIMIT})` of exercise 5.2 reads six messages; those that begin with `b` are binary."
            f"\n\n{table(('', 'raw'), rows)}\n\nIt looks at one thing after the other: `not_text`, `too_big`, `bad_json`, "
            '`not_object`, `bad_type`, `bad_version`. Which code does each message get? `"ok"` if none.'
        )

    def forms(self, drawn):
        return dict.fromkeys("abcdef", OneOf(self.CODES))

    async def record(self, drawn):
        async def desk(ws):
            async for raw in ws:
                await ws.send(decoded(raw, self.LIMIT))

        async with played(("Desk", desk, {})) as (server, recording):
            async with dial(server, "client") as ws:
                for number in drawn["cases"]:
                    await ws.send(self.CASES[number][0])
                    await ws.recv()
                    await recording.settled()
            await recording.settled()
        return Evidence(recording)

    def key(self, drawn, evidence):
        said = [event.text for event in evidence.events if event.kind in DATA and not event.up]
        return dict(zip("abcdef", said, strict=True))

    def why(self, part, said, drawn, evidence):
        raw, line = self.CASES[drawn["cases"]["abcdef".index(part)]]
        data = raw if isinstance(raw, bytes) else raw.encode()
        return Why(line, lambda event: event.up and event.kind in DATA and event.payload == data)


def decoded(raw, max_bytes):
    """What the decoder of exercise 5.2 says about `raw`."""
    if not isinstance(raw, str):
        return "not_text"
    if len(raw.encode()) > max_bytes:
        return "too_big"
    try:
        message = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "bad_json"
    if not isinstance(message, dict):
        return "not_object"
    if not isinstance(message.get("type"), str):
        return "bad_type"
    return "ok" if message.get("v") == 1 else "bad_version"


def _refuse(constant):
    raise ValueError(constant)


QUESTIONS = (Envelope(),)
