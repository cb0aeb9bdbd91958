"""Questions 1 and 2: what crosses the wire between client, server and database, and what nobody asked for."""

import sqlite3

from wslab.sources import watch_sql
from wslab.trace import DATA, Kind

from .forms import Whole
from .model import LESSONS, Evidence, Question, Why, dial, listed, played

NAMES = ("ada", "bob", "cem", "dee")
WORDS = ("tea", "jam", "rice", "salt", "bread", "plums", "honey", "beans")
CONNECTIONS, MESSAGES, ARROWS = 12, 40, 60  # the most that anybody would guess


def is_message(event):
    return event.kind in DATA


def is_push(event):
    """A message of the server that answers nothing which this client sent."""
    asked = event.cause is not None and event.cause.connection == event.connection and event.cause.message >= 0
    return is_message(event) and not event.up and not asked


class Counts(Question):
    number, title, group = 1, "What crossed the wire?", 1
    lesson = f"{LESSONS}01_overview.ipynb#3-What-the-overview-does-not-show"
    about = ("1.1", "p1.1", "p1.2", "e1.2", "m1", "r2", "r4")
    shown = True

    def draw(self, dice):
        names = dice.sample(NAMES, dice.randint(2, 3))
        posts = [(dice.choice(names), dice.choice(WORDS)) for _ in range(dice.randint(4, 7))]
        leaves = dice.choice(names)
        return {
            "names": names,
            "posts": posts,
            "leaves": leaves,  # comes back before the next post
            "after": dice.randint(1, len(posts) - 1),
            "greets": dice.random() < 0.5,
        }

    def ask(self, drawn, evidence):
        greeting = " The server greets whoever connects." if drawn["greets"] else ""
        return (
            "A board for notes. What a client posts is answered with `saved`, and told to everybody else who is "
            f"connected.{greeting} This was recorded a moment ago:\n\n{listed(evidence.recording)}\n\n"
            "How many TCP connections, opening handshakes, messages up (client to server), messages down (server to "
            "client)? How many of those down are pushes, that is, answer nothing that their client sent?"
        )

    def forms(self, drawn):
        connections, messages = Whole(0, CONNECTIONS), Whole(0, MESSAGES)
        return {
            "connections": connections,
            "handshakes": connections,
            "up": messages,
            "down": messages,
            "pushes": messages,
        }

    async def record(self, drawn):
        members = {}

        async def board(ws):
            name = ws.request.path.rpartition("=")[2]
            members[name] = ws
            if drawn["greets"]:
                await ws.send(f"hello {name}")
            async for note in ws:
                await ws.send("saved")
                for other in sorted(members.keys() - {name}):
                    await members[other].send(f"{name}: {note}")
            members.pop(name, None)

        async with played(("Board", board, {})) as (server, recording):
            clients = {}

            async def join(name):
                clients[name] = await dial(server, name)
                if drawn["greets"]:
                    await clients[name].recv()
                await recording.settled()

            async def leave(name):
                await clients.pop(name).close()
                await recording.settled()

            for name in drawn["names"]:
                await join(name)
            for count, (name, word) in enumerate(drawn["posts"]):
                if count == drawn["after"]:
                    await leave(drawn["leaves"])
                    await join(drawn["leaves"])
                await clients[name].send(word)
                await clients[name].recv()
                await recording.settled()
            for name in drawn["names"]:
                await leave(name)
        return Evidence(recording)

    def key(self, drawn, evidence):
        events = evidence.events
        messages = [event for event in events if is_message(event)]
        return {
            "connections": len({(event.connection, event.life) for event in events}),
            "handshakes": sum(event.kind is Kind.RESPONSE and event.code == 101 for event in events),
            "up": sum(event.up for event in messages),
            "down": sum(not event.up for event in messages),
            "pushes": sum(map(is_push, messages)),
        }

    def why(self, part, said, drawn, evidence):
        return {
            "connections": Why(
                "every TCP connection ends once, and whoever comes back opens a new one: count the TCP ends",
                lambda event: event.kind is Kind.END,
            ),
            "handshakes": Why(
                "a handshake is a GET and its 101; it opens a connection, and no message needs one of its own",
                lambda event: event.kind is Kind.RESPONSE,
            ),
            "up": Why(
                "a message is TEXT (or BINARY); GET, 101 and CLOSE are none",
                lambda event: is_message(event) and event.up,
            ),
            "down": Why(
                "a message is TEXT (or BINARY), and every client that hears something costs one of its own",
                lambda event: is_message(event) and not event.up,
            ),
            "pushes": Why("look whose message came just before: this client had asked nothing", is_push),
        }[part]


class FirstPush(Question):
    number, title, group = 2, "The arrow that diagram 1 does not have", 1
    lesson = f"{LESSONS}01_overview.ipynb#3-What-the-overview-does-not-show"
    about = ("1.2", "1.1", "e1.2", "e2.1", "p2.2", "e4.3")
    shown = True

    def draw(self, dice):
        names = dice.sample(NAMES, 3)
        watcher, *others = names
        quiet = [self._action(dice, names) for _ in range(dice.randint(2, 4))]
        between = [("load", dice.choice(names), dice.choice(WORDS)) for _ in range(dice.randint(1, 3))]
        news = [("save", dice.choice(others), dice.choice(WORDS)) for _ in range(dice.randint(1, 2))]
        actions = [*quiet, ("watch", watcher, ""), *between, *news, self._action(dice, others)]
        return {"names": names, "actions": actions}

    def _action(self, dice, names):
        return dice.choice(("save", "load")), dice.choice(names), dice.choice(WORDS)

    def ask(self, drawn, evidence):
        return (
            "Diagram 1 promises: a client asks, the server asks the database, the answer comes back. Here three clients "
            f"use one server and its database:\n\n{listed(evidence.recording)}\n\n"
            "Leave handshakes and goodbyes aside. Which arrow is the first that diagram 1 does not have: the first message "
            "that answers nothing its client had sent? And which arrow made the server send it?"
        )

    def forms(self, drawn):
        return {"arrow": Whole(1, ARROWS), "because_of": Whole(1, ARROWS)}

    async def record(self, drawn):
        watchers = {}

        async def notes(ws):
            name = ws.request.path.rpartition("=")[2]
            async for text in ws:
                verb, _, word = text.partition(" ")
                if verb == "watch":
                    watchers[name] = ws
                    await ws.send("watching")
                elif verb == "load":
                    found = database.execute("SELECT count(*) FROM notes WHERE note = ?", [word]).fetchone()[0]
                    await ws.send(f"{word}: {found}")
                else:
                    database.execute("INSERT INTO notes VALUES (?)", [word])
                    await ws.send("saved")
                    for other in watchers.keys() - {name}:
                        await watchers[other].send(f"new: {word}")

        database = sqlite3.connect(":memory:", isolation_level=None)
        database.execute("CREATE TABLE notes (note)")
        try:
            async with played(("Notes", notes, {})) as (server, recording):
                watch_sql(database, server="Notes")
                clients = {}
                for name in drawn["names"]:
                    clients[name] = await dial(server, name)
                    await recording.settled()
                for verb, name, word in drawn["actions"]:
                    await clients[name].send(f"{verb} {word}".rstrip())
                    await clients[name].recv()
                    await recording.settled()
                for ws in clients.values():
                    await ws.close()
                    await recording.settled()
        finally:
            database.close()
        return Evidence(recording)

    def key(self, drawn, evidence):
        rows = evidence.recording.rows
        push = next(row for row in rows if is_push(row.event))
        cause = push.event.cause
        asked = next(
            row
            for row in rows
            if row.event.up
            and is_message(row.event)
            and row.event.connection == cause.connection
            and row.event.ordinal == cause.message
        )
        return {"arrow": push.number, "because_of": asked.number}

    def why(self, part, said, drawn, evidence):
        if part == "arrow":
            return Why(
                "an arrow down is an answer as long as its own client has a question open; look which client this one "
                "reaches, and what that client had sent last",
                lambda event: event.kind is Kind.TEXT and event.up and event.text == "watch",
            )
        return Why(
            "a push has a cause, too: the last message that reached the server before it, from another client",
            is_push,
        )


QUESTIONS = (Counts(), FirstPush())
