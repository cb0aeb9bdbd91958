"""Question 13: which orders are possible where two servers send to one client."""

import asyncio
import contextlib
import json

from websockets import ConnectionClosed

from wslab.trace import Kind

from .forms import SomeOf
from .model import LESSONS, Evidence, Question, Why, dial, played, table


class Orders(Question):
    number, title, group = 13, "Which orders are possible?", 4
    lesson = f"{LESSONS}04_architectures.ipynb#4-A-backplane"
    about = ("4.2", "4.5", "m4", "p2.1", "e4.3")
    ROWS = "abcdefg"

    def draw(self, dice):
        counts = dice.choice(((2, 2), (3, 2), (2, 3)))
        in_order = [f"{who}{number}" for who, count in zip("AB", counts, strict=True) for number in range(1, count + 1)]
        orders, wanted = [], dice.randint(2, 4)
        while len(orders) < wanted:  # merge both senders' messages, each in its own order
            senders = dice.sample([name[0] for name in in_order], len(in_order))
            counted = {"A": iter(range(1, 9)), "B": iter(range(1, 9))}
            merged = [f"{who}{next(counted[who])}" for who in senders]
            if merged not in orders:
                orders.append(merged)
        while len(orders) < len(self.ROWS):
            mixed = dice.sample(in_order, len(in_order))
            if mixed not in orders and self._out_of_order(mixed):
                orders.append(mixed)
        dice.shuffle(orders)
        return {"counts": counts, "orders": orders}

    def _out_of_order(self, order):
        return any(
            [name for name in order if name[0] == who] != sorted(name for name in order if name[0] == who)
            for who in "AB"
        )

    def ask(self, drawn, evidence):
        first, second = (
            [f"{who}{number + 1}" for number in range(count)] for who, count in zip("AB", drawn["counts"], strict=True)
        )
        rows = [(row, " ".join(order)) for row, order in zip(self.ROWS, drawn["orders"], strict=True)]
        return (
            f"Ada is connected to Server 1 and sends {', '.join(first)}, one after the other. Bob is connected to Server 2 and "
            f"sends {', '.join(second)}. Each server handles the messages of a connection in turns and publishes them; Cem, on Server "
            f"3, hears all of them.\n\n{table(('', 'Cem hears'), rows)}\n\nWhich of these can happen? A set of letters."
        )

    def forms(self, drawn):
        return {"possible": SomeOf(tuple(self.ROWS))}

    async def record(self, drawn):
        listeners, heard = set(), asyncio.Queue()

        async def publisher(ws):
            async for text in ws:
                for other in list(listeners):  # the bus of this little cluster
                    await other.send(text)

        async def listener(ws):
            listeners.add(ws)
            await ws.wait_closed()
            listeners.discard(ws)

        async def listen(cem):
            with contextlib.suppress(ConnectionClosed):
                async for text in cem:
                    heard.put_nowait(text)

        servers = [("Server 1", publisher, {}), ("Server 2", publisher, {}), ("Server 3", listener, {})]
        async with played(*servers) as (one, two, three, recording):
            async with dial(one, "ada") as ada, dial(two, "bob") as bob, dial(three, "cem") as cem:
                reader = asyncio.create_task(listen(cem))
                await recording.settled(resident=[reader])
                for row, order in zip(self.ROWS, drawn["orders"], strict=True):
                    # Try to bring this order about: whoever is next in it sends what is next in its own program.
                    programs = {"A": (ada, iter(range(1, 9))), "B": (bob, iter(range(1, 9)))}
                    for name in order:
                        ws, numbers = programs[name[0]]
                        await ws.send(json.dumps([row, f"{name[0]}{next(numbers)}"]))
                        await heard.get()
                        await recording.settled(resident=[reader])
            await reader
            await recording.settled()
        return Evidence(recording)

    def key(self, drawn, evidence):
        heard = {row: [] for row in self.ROWS}
        for event in evidence.events:
            if event.kind is Kind.TEXT and not event.up and event.connection == "cem":
                row, name = json.loads(event.text)
                heard[row].append(name)
        orders = zip(self.ROWS, drawn["orders"], strict=True)
        return {"possible": {row for row, order in orders if heard[row] == order}}

    def why(self, part, said, drawn, evidence):
        right = self.key(drawn, evidence)["possible"]
        row = min(set(said) ^ right)
        line = f"look at row {row}: order is kept along one connection, and along nothing else"
        return Why(
            line,
            lambda event: event.kind is Kind.TEXT and event.connection == "cem" and json.loads(event.text)[0] == row,
        )


QUESTIONS = (Orders(),)
