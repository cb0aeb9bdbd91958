"""Question 7: in which of its three places an error appears."""

import contextlib
import inspect
import json
import textwrap

from websockets import ConnectionClosed
from websockets.exceptions import InvalidStatus

from wslab.trace import Kind

from .forms import OneOf
from .model import LESSONS, Evidence, Question, Why, dial, fenced, played, table


class ThreePlaces(Question):
    number, title, group = 7, "Where is the error?", 3
    lesson = f"{LESSONS}03_patterns.ipynb#7-An-error-has-three-places"
    about = ("3.2", "3.3", "3.4", "7.2", "p3.1", "p3.2", "e3.3", "p7.2", "m7", "m3")
    CLIENTS = (
        ("connects without a token", "", "/", "", "http"),
        ("connects to `/cellar`", "right", "/cellar", "", "http"),
        ("sends `{tea`", "right", "/", "{tea", "message"),
        ("sends `[]`", "right", "/", "[]", "message"),
        ('sends `{"item": 7}`', "right", "/", '{"item": 7}', "message"),
        ('sends `{"item": "gold"}`', "right", "/", '{"item": "gold"}', "close"),
        ('sends `{"item": "tea", "count": 99}`', "right", "/", '{"item": "tea", "count": 99}', "close"),
        ("sends a text of 300 bytes", "right", "/", "x" * 300, "close"),
        ('sends `"quit"`, quotes included', "right", "/", '"quit"', "close"),
    )

    def draw(self, dice):
        groups = [
            [number for number, client in enumerate(self.CLIENTS) if client[4] == place]
            for place in ("http", "message", "close")
        ]
        chosen = [dice.choice(group) for group in groups]
        rest = [number for number in range(len(self.CLIENTS)) if number not in chosen]
        chosen += dice.sample(rest, 2)
        dice.shuffle(chosen)
        many, quit_ = dice.sample(range(4100, 4400), 2)
        return {"clients": chosen, "many": many, "quit": quit_}

    def ask(self, drawn, evidence):
        source = textwrap.dedent(inspect.getsource(_shop)).partition("\n")[2].partition("    return shop, door")[0]
        source = textwrap.dedent(source).replace("too_many", str(drawn["many"])).replace("leaving", str(drawn["quit"]))
        source = source.rstrip() + "\n\nserver = await serve(shop, process_request=door, max_size=200)"
        rows = [(row, self.CLIENTS[number][0]) for row, number in zip("abcde", drawn["clients"], strict=True)]
        return (
            f"{fenced(source, language='python')}\n\nFive clients. Unless the table says otherwise, a client "
            f"has the token and goes to `/`.\n\n{table(('', 'client'), rows)}\n\nWhere does each of them meet its error, and which? Write "
            '`("http", status)`, `("message", "the error\'s code")` or `("close", close code)`.'
        )

    def forms(self, drawn):
        pairs = [("http", status) for status in (400, 401, 403, 404, 426, 500, 503)]
        pairs += [("message", code) for code in ("bad_json", "not_object", "bad_item", "unknown_item")]
        pairs += [("close", code) for code in (1000, 1002, 1003, 1006, 1007, 1008, 1009, 1011)]
        pairs += [("close", drawn["many"]), ("close", drawn["quit"])]
        return dict.fromkeys("abcde", OneOf(tuple(pairs)))

    async def record(self, drawn):
        shop, door = _shop(drawn["many"], drawn["quit"])
        options = {"process_request": door, "max_size": 200}
        async with played(("Shop", shop, options)) as (server, recording):
            for row, number in zip("abcde", drawn["clients"], strict=True):
                _, token, path, text, _ = self.CLIENTS[number]
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                with contextlib.suppress(InvalidStatus, ConnectionClosed):
                    async with dial(server, row, path, additional_headers=headers) as ws:
                        await ws.send(text)
                        await ws.recv()
                await recording.settled()
        return Evidence(recording)

    def key(self, drawn, evidence):
        return {row: self._met([event for event in evidence.events if event.connection == row]) for row in "abcde"}

    def _met(self, events):
        """The first error that came down to a client."""
        for event in events:
            if event.up:
                continue
            if event.kind is Kind.RESPONSE and event.code != 101:
                return "http", event.code
            if event.kind is Kind.TEXT and "error" in json.loads(event.text):
                return "message", json.loads(event.text)["error"]
            if event.kind is Kind.CLOSE:
                return "close", event.code
        return None

    def why(self, part, said, drawn, evidence):
        place = self.CLIENTS[drawn["clients"]["abcde".index(part)]][4]
        line = {
            "http": "this one is decided at the door, before there is a connection that could carry a message or a close code",
            "message": "this line is one that the handler expects: it says so and goes on reading",
            "close": "follow what happens to this text line by line: does the handler, or the library, go on reading after it?",
        }[place]
        if said[0] == place:
            line = "the place is right; look at the number or the code once more"
        return Why(line, lambda event: event.connection == part and not event.up and event.kind is not Kind.END)


def _shop(too_many, leaving):
    PRICES = {"tea": 4, "jam": 3}

    def door(connection, request):
        if request.headers.get("Authorization") != "Bearer right":
            return connection.respond(401, "who are you?")
        if request.path.startswith("/cellar"):
            return connection.respond(404, "no such room")

    async def shop(ws):
        async for text in ws:
            try:
                order = json.loads(text)
            except ValueError:
                await ws.send(json.dumps({"error": "bad_json"}))
                continue
            if order == "quit":
                await ws.close(leaving, "bye")
                return
            if not isinstance(order, dict):
                await ws.send(json.dumps({"error": "not_object"}))
                continue
            if not isinstance(order["item"], str):
                await ws.send(json.dumps({"error": "bad_item"}))
                continue
            if order.get("count", 1) > 50:
                await ws.close(too_many, "too many")
                return
            await ws.send(json.dumps({"price": PRICES[order["item"]]}))

    return shop, door


QUESTIONS = (ThreePlaces(),)
