"""Question 19: what survives the loss of a connection, and of a process."""

import json
import secrets

from websockets import connect

from wslab.trace import DATA

from .diagram_4_servers import running
from .forms import SomeOf
from .model import LESSONS, Evidence, Question, Why, table

LOSSES = ("socket", "process", "both")
ITEMS = ("tea", "jam", "rice", "salt", "bread", "plums")

# Where the item is kept, in words; and what decides.
PLACES = {
    "local": ("a local variable of the handler", "each connection is a new call of the handler"),
    "attribute": ("an attribute of the connection, `ws.item`", "a new connection is a new object"),
    "contextvar": ("a context variable, set in the handler", "each call of the handler has a context of its own"),
    "clients": (
        "`clients[name] = ws`: can the item be read from an open connection in it?",
        "the entry is there, and refers to a connection that is closed",
    ),
    "module": ("a dictionary of the module", "it belongs to the process, not to a connection"),
    "memory_table": (
        'a table of `sqlite3.connect(":memory:")` in the module',
        "its rows are in the memory of the process",
    ),
    "file_table": ("a row in a SQLite file", "the file belongs neither to the connection nor to the process"),
    "token": (
        "a token that the client keeps, signed with a key from the environment",
        "the client carries it, and whoever has the key can verify it",
    ),
    "sequence": ("the last number, kept by the client's program", "the client's program did not end"),
}


class Survives(Question):
    number, title, group = 19, "What survives?", 6
    lesson = f"{LESSONS}06_state.ipynb#2-Three-places"
    about = ("6.1", "6.2", "6.3", "p6.1", "p6.3", "e6.1", "e6.3", "r7")

    def draw(self, dice):
        return {"places": dice.sample(list(PLACES), 6), "items": dice.sample(ITEMS, 2)}

    def ask(self, drawn, evidence):
        rows = [(row, PLACES[place][0]) for row, place in zip("abcdef", drawn["places"], strict=True)]
        return (
            f"A server puts a client's item into six places:\n\n{table(('', 'place'), rows)}\n\nThen something is lost, the client "
            'connects again and asks for its item. In which cases can it still be read there? `"socket"`: the connection '
            'was cut. `"process"`: the server\'s process was killed and started again. `"both"`: first the one, then, before the '
            "client was back, the other. A set for each row; `set()` if in none."
        )

    def forms(self, drawn):
        return dict.fromkeys("abcdef", SomeOf(LOSSES))

    async def record(self, drawn):
        module = "questions.processes"
        options = {"servers": 1, "policy": None, "setup": f"{module}:prepare", "name": "Question 19"}
        key = {"PLACES_KEY": secrets.token_hex()}
        async with running("places", environment=key, **options) as (cluster, recording):
            server = cluster.servers[0]

            async def open_(name):
                return await connect(f"{cluster.url}/?name={name}", compression=None, proxy=None)

            async def ask(ws, **message):
                await ws.send(json.dumps(message))
                return json.loads(await ws.recv())

            async def back(loss):
                async with await open_(loss) as ws:
                    await ask(ws, name=loss, **told[loss])
                    await recording.settled()
                await recording.settled()

            before, told = {}, {}
            for loss, item in zip(LOSSES, (*drawn["items"], drawn["items"][0]), strict=True):
                before[loss] = await open_(loss)
                told[loss] = await ask(before[loss], name=loss, remember=item)
                await recording.settled()
            for loss in ("socket", "both"):
                server.tap.cut(loss)
                await recording.settled()
            await back("socket")
            server.kill()
            await before["process"].wait_closed()
            await recording.settled()
            await server.restart()
            await back("process")
            await back("both")
            for ws in before.values():
                await ws.close()
        return Evidence(recording)

    def key(self, drawn, evidence):
        found = {row: set() for row in "abcdef"}
        items = dict(zip(LOSSES, (*drawn["items"], drawn["items"][0]), strict=True))
        for event in evidence.events:
            if event.up or event.kind not in DATA:
                continue
            told = json.loads(event.text)
            if "local" in told:  # an answer to who is back
                for row, place in zip("abcdef", drawn["places"], strict=True):
                    if told[place] == items[event.connection]:
                        found[row].add(event.connection)
        return found

    def why(self, part, said, drawn, evidence):
        place = drawn["places"]["abcdef".index(part)]
        right = self.key(drawn, evidence)[part]
        loss = next(loss for loss in LOSSES if (loss in said) != (loss in right))
        return Why(
            PLACES[place][1],
            lambda event: event.connection == loss and not event.up and event.kind in DATA and '"local"' in event.text,
        )


QUESTIONS = (Survives(),)
