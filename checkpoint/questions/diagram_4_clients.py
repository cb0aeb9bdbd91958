"""Questions 14 and 15: a client that was away, and one that comes back."""

import asyncio
import sqlite3
from itertools import pairwise

from wslab.sources import watch_sql
from wslab.trace import Kind

from .forms import Seconds, Stretch, Whole
from .model import LESSONS, Evidence, Question, Why, dial, fenced, played, table


class Replay(Question):
    number, title, group = 14, "What is sent again?", 4
    lesson = f"{LESSONS}04_architectures.ipynb#8-Coming-back"
    about = ("4.4", "6.3", "p6.1", "e6.3", "m6")

    def draw(self, dice):
        first = dice.randint(100, 120)
        last = first + dice.randint(14, 22)
        seen = dice.randint(first + 1, last - 6)
        return {
            "first": first,
            "last": last,
            "seen": seen,
            "limit": dice.randint(3, last - seen + 4),
            "later": dice.choice((dice.randint(first + 1, seen + 1), dice.randint(seen + 2, last - 1))),
        }

    def ask(self, drawn, evidence):
        code = [
            "rows = database.execute(",
            f'    "SELECT seq FROM log WHERE seq > ? ORDER BY seq LIMIT {drawn["limit"]}", [after]',
            ")",
        ]
        return (
            f"A client was away. The last event that it saw has the sequence number {drawn['seen']}. It comes back with "
            f"`after={drawn['seen']}`, and the server sends what this finds:\n\n{fenced(*code, language='python')}\n\n"
            f"The log holds the events {drawn['first']} to {drawn['last']}. Which numbers are sent again (`replay`)? And which events "
            f"are lost for this client (`lost`) if the log was shortened meanwhile and begins with {drawn['later']}?"
        )

    def forms(self, drawn):
        numbers = Stretch(drawn["first"], drawn["last"])
        return {"replay": numbers, "lost": numbers}

    async def record(self, drawn):
        async def resume(ws):
            async for text in ws:
                query = "SELECT seq FROM log WHERE seq > ? ORDER BY seq LIMIT ?"
                for (seq,) in database.execute(query, [int(text), drawn["limit"]]).fetchall():
                    await ws.send(str(seq))
                await ws.send("that is all")

        async def come_back(name):
            async with dial(server, name) as ws:
                await ws.send(str(drawn["seen"]))
                while await ws.recv() != "that is all":
                    pass
                await recording.settled()
            await recording.settled()

        database = sqlite3.connect(":memory:", isolation_level=None)
        try:
            database.execute("CREATE TABLE log (seq INTEGER)")
            database.executemany("INSERT INTO log VALUES (?)", [(n,) for n in range(drawn["first"], drawn["last"] + 1)])
            async with played(("Log keeper", resume, {})) as (server, recording):
                watch_sql(database, server="Log keeper")
                await come_back("whole_log")
                database.execute("DELETE FROM log WHERE seq < ?", [drawn["later"]])
                await come_back("short_log")
        finally:
            database.close()
        return Evidence(recording)

    def key(self, drawn, evidence):
        sent = {"whole_log": [], "short_log": []}
        for event in evidence.events:
            if event.kind is Kind.TEXT and not event.up and event.text.isdigit():
                sent[event.connection].append(int(event.text))
        return {"replay": sent["whole_log"], "lost": list(range(drawn["seen"] + 1, sent["short_log"][0]))}

    def why(self, part, said, drawn, evidence):
        if part == "replay":
            line = "begin with the first that it has not seen, and look at how many the query returns at most"
        else:
            line = "lost is what it has not seen and what the log does not hold any more"
        name = "whole_log" if part == "replay" else "short_log"
        return Why(line, lambda event: event.connection == name and event.kind is Kind.TEXT and not event.up)


class Backoff(Question):
    number, title, group = 15, "How long does it wait?", 4
    lesson = f"{LESSONS}04_architectures.ipynb#8-Coming-back"
    about = ("4.4", "7.4", "p4.4", "e4.4")
    timed = True
    WAITS = 6

    def draw(self, dice):
        return {
            "base": dice.choice((0.06, 0.07, 0.08)),
            "cap": dice.choice((0.2, 0.25, 0.3)),
            "random": self._turned(dice.randrange(self.WAITS)),
            "useful": dice.randint(3, 5),
        }

    def _turned(self, turn):
        given = [0.6, 1.0, 0.5, 0.8, 0.9, 0.7]
        return given[turn:] + given[:turn]

    def ask(self, drawn, evidence):
        code = [
            f"base, cap, n = {drawn['base']}, {drawn['cap']}, 0",
            "while True:",
            "    async with connect(url) as ws:",
            "        async for event in ws:",
            "            n = 0",
            "            ...",
            "    await asyncio.sleep(random.random() * min(cap, base * 2**n))",
            "    n += 1",
        ]
        rows = [
            (
                number,
                "accepts, sends one event, closes" if number == drawn["useful"] else "accepts, closes",
                drawn["random"][number - 1],
            )
            for number in range(1, self.WAITS + 1)
        ]
        return (
            f"{fenced(*code, language='python')}\n\n{table(('connection', 'the server', 'random.random() gives'), rows)}\n\nHow many "
            f"seconds does the client wait after each of the {self.WAITS} connections (`waits`)? And during which connection is the "
            "counter set back (`reset`)?"
        )

    def forms(self, drawn):
        waits = {
            f"after connection {number}": Seconds(0.3, step=0.01, within=0.03) for number in range(1, self.WAITS + 1)
        }
        return {"waits": waits, "reset": Whole(1, self.WAITS)}

    async def record(self, drawn, pace=1):
        served = 0

        async def flaky(ws):
            nonlocal served
            served += 1
            if served == drawn["useful"]:
                await ws.send("event")
            await ws.close(1001)

        resets = []
        async with played(("Flaky", flaky, {})) as (server, recording):
            n = 0
            for number in range(1, self.WAITS + 2):
                async with dial(server, "client") as ws:
                    async for _ in ws:
                        n = 0
                        resets.append(number)
                if number <= self.WAITS:
                    wait = drawn["random"][number - 1] * min(drawn["cap"], drawn["base"] * 2**n)
                    await asyncio.sleep(wait * pace)
                    n += 1
            await recording.settled()
        return Evidence(recording, pace=pace)

    def key(self, drawn, evidence):
        ends, begins, useful = {}, {}, 0
        for event in evidence.events:
            if event.kind is Kind.REQUEST:
                begins[event.life] = event
            elif event.kind is Kind.END:
                ends[event.life] = event
            elif event.kind is Kind.TEXT:
                useful = event.life
        lives = sorted(begins)
        waits = [evidence.seconds(ends[before], begins[after]) for before, after in pairwise(lives)]
        return {"waits": waits, "reset": lives.index(useful) + 1}

    def why(self, part, said, drawn, evidence):
        if part == "reset":
            line = "find the line that sets n to 0, and which of these connections reaches it"
            return Why(line, lambda event: event.kind is Kind.TEXT)
        line = "a successful handshake does not set the counter back; n grows with every wait, and the cap holds before the random number"
        number = int(part.rpartition(" ")[2])
        return Why(line, self._begin_of(evidence, number + 1))

    def _begin_of(self, evidence, number):
        begins = [event for event in evidence.events if event.kind is Kind.REQUEST]
        return lambda event: event.kind is Kind.REQUEST and event.life == begins[number - 1].life


QUESTIONS = (Replay(), Backoff())
