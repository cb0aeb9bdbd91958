"""Question 4: whose an answer is, when calls are in flight side by side."""

import asyncio
import json

from .diagram_2_time import is_answer
from .forms import OneOf
from .model import LESSONS, Evidence, Question, Why, dial, played, table


class Calls(Question):
    number, title, group = 4, "What does each call end with?", 2
    lesson = f"{LESSONS}02_request_response.ipynb#5-A-message-that-nobody-asked-for"
    about = ("2.2", "2.4", "p2.2", "p2.3", "m2")
    timed = True
    TIMEOUT_S, PUSH_S = 0.15, 0.06
    TIMES_S = (0.03, 0.09, 0.12)

    def draw(self, dice):
        ids = dice.sample("klmnpqrstuvwxyz", 4)
        values = dice.sample(range(11, 99), 5)
        late = dice.sample(ids[:3], dice.randint(1, 2))
        times = dict(zip(ids[:3], dice.sample(self.TIMES_S, 3), strict=True))
        times |= {
            name: dice.choice((0.18, 0.22)) if len(late) == 1 else 0.18 + 0.04 * late.index(name) for name in late
        }
        return {
            "ids": ids,
            "values": dict(zip(ids, values, strict=False)),
            "push": values[4],
            "times": times | {ids[3]: 0.1},
        }

    def ask(self, drawn, evidence):
        first = drawn["ids"][:3]
        rows = [
            (
                row,
                f"`{name}`",
                "at 0" if name in first else f"at {self.TIMEOUT_S:.2f} s",
                f"{drawn['times'][name]:.2f} s",
                f"`{drawn['values'][name]}`",
            )
            for row, name in zip("abcd", drawn["ids"], strict=True)
        ]
        return (
            f"A client like the one of exercise 2.4: one reader hands each answer to the call with its id. A call that has "
            f"waited {self.TIMEOUT_S} s raises `TimeoutError` and its id is forgotten; what comes for it later is dropped. "
            "Three calls are made at once, the fourth when the time of the first three is over:\n\n"
            f"{table(('', 'id', 'called', 'the server takes', 'and answers'), rows)}\n\n"
            f"After {self.PUSH_S} s the server says `{drawn['push']}` to everybody, without an id. What does each call end "
            f'with: a number, or `"TimeoutError"`? And which number waits in `events`?'
        )

    def forms(self, drawn):
        end = OneOf((*drawn["values"].values(), drawn["push"], "TimeoutError"))
        return {"a": end, "b": end, "c": end, "d": end, "events": end}

    async def record(self, drawn, pace=1):
        async def answer(ws, name):
            await asyncio.sleep(drawn["times"][name] * pace)
            await ws.send(json.dumps({"id": name, "body": drawn["values"][name]}))

        async def office(ws):
            async with asyncio.TaskGroup() as group:
                async for text in ws:
                    group.create_task(answer(ws, json.loads(text)["id"]))

        async def announce(server):
            await asyncio.sleep(self.PUSH_S * pace)
            for ws in server.connections:
                await ws.send(json.dumps({"body": drawn["push"]}))

        async with played(("Office", office, {})) as (server, recording):
            async with dial(server, "client") as ws:
                waiting, events = {}, []

                async def read():
                    async for text in ws:
                        message = json.loads(text)
                        call = waiting.pop(message.get("id"), None)
                        if call is not None:
                            call.set_result(message["body"])
                        elif "id" not in message:
                            events.append(message["body"])

                async def call(name):
                    waiting[name] = asyncio.get_running_loop().create_future()
                    await ws.send(json.dumps({"id": name}))
                    try:
                        async with asyncio.timeout(self.TIMEOUT_S * pace):
                            return await waiting[name]
                    except TimeoutError:
                        return "TimeoutError"
                    finally:
                        waiting.pop(name, None)

                reader, push = asyncio.create_task(read()), asyncio.create_task(announce(server))
                ends = await asyncio.gather(*map(call, drawn["ids"][:3]))
                ends.append(await call(drawn["ids"][3]))
                await push
                await recording.settled(resident=[reader])
            await reader
        return Evidence(recording, {"ends": ends, "events": events}, pace)

    def key(self, drawn, evidence):
        return dict(zip("abcd", evidence.facts["ends"], strict=True)) | {"events": evidence.facts["events"][0]}

    def why(self, part, said, drawn, evidence):
        if part == "events":
            return Why("in `events` is what carries no id", lambda event: is_answer(event) and '"id"' not in event.text)
        name = drawn["ids"]["abcd".index(part)]
        others = [other for other, value in drawn["values"].items() if value == said and other != name]
        if others:
            line = (
                f"that is the answer to `{others[0]}`: an answer belongs to the call whose id it carries, late or not"
            )
        elif said == drawn["push"]:
            line = "a message without an id answers no call"
        else:
            line = f"compare how long the server took with the {self.TIMEOUT_S} s that a call waits, counted from its own start"
        return Why(line, lambda event: is_answer(event) and json.loads(event.text).get("id") == name)


QUESTIONS = (Calls(),)
