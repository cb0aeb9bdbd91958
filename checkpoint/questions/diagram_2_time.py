"""Questions 3 and 5: when answers come, in turns and side by side, and what one blocking call does to everybody."""

import asyncio
import contextlib
import json
import time

from wslab.trace import Kind

from .forms import Order, Seconds
from .model import LESSONS, Evidence, Question, Why, dial, fenced, played, table

LONGEST_S = 0.8


def is_answer(event):
    return event.kind is Kind.TEXT and not event.up


class Timeline(Question):
    number, title, group = 3, "In which order, and when?", 2
    lesson = f"{LESSONS}02_request_response.ipynb#3-A-task-for-each-message"
    about = ("2.1", "2.3", "p2.1", "p2.2", "e2.1")
    timed = True

    def draw(self, dice):
        delays = dice.sample((0.04, 0.08, 0.12, 0.16, 0.2), 4)  # 40 ms apart: no machine mistakes one for another
        while delays in (sorted(delays), sorted(delays, reverse=True)):
            dice.shuffle(delays)
        return {"delays": delays}

    def ask(self, drawn, evidence):
        rows = [(number, f"{seconds:.2f} s") for number, seconds in enumerate(drawn["delays"])]
        return (
            f"A client sends four requests at once. Their work takes\n\n{table(('request', 'work'), rows)}\n\n"
            "One server works **in turns**: it finishes a request before it reads the next. The other makes **a task** of each "
            "message and reads on. In which order do the answers arrive, and how many seconds after the requests does the "
            "last one arrive?"
        )

    def forms(self, drawn):
        order, seconds = Order((0, 1, 2, 3)), Seconds(LONGEST_S, step=0.01, within=0.03)
        return {"in_turns": order, "in_turns_s": seconds, "tasks": order, "tasks_s": seconds}

    async def record(self, drawn, pace=1):
        async def work(ws, text):
            request = json.loads(text)
            await asyncio.sleep(request["work"] * pace)
            await ws.send(json.dumps({"id": request["id"]}))

        async def in_turns(ws):
            async for text in ws:
                await work(ws, text)

        async def tasks(ws):
            async with asyncio.TaskGroup() as group:
                async for text in ws:
                    group.create_task(work(ws, text))

        async def ask(server, name):
            async with dial(server, name) as ws:
                for number, seconds in enumerate(drawn["delays"]):
                    await ws.send(json.dumps({"id": number, "work": seconds}))
                for _ in drawn["delays"]:
                    await ws.recv()

        async with played(("In turns", in_turns, {}), ("Tasks", tasks, {})) as (first, second, recording):
            await ask(first, "in_turns")
            await ask(second, "tasks")
            await recording.settled()
        return Evidence(recording, pace=pace)

    def key(self, drawn, evidence):
        found = {}
        for name in ("in_turns", "tasks"):
            events = [event for event in evidence.events if event.connection == name and event.kind is Kind.TEXT]
            answers = [event for event in events if is_answer(event)]
            found[name] = [json.loads(event.text)["id"] for event in answers]
            found[f"{name}_s"] = evidence.seconds([event for event in events if event.up][-1], answers[-1])
        return found

    def why(self, part, said, drawn, evidence):
        name = part.removesuffix("_s")
        lines = {
            "in_turns": "one handler reads the next message only after it has finished the last",
            "tasks": "with a task for each message nobody waits for anybody: the shortest work is done first",
            "in_turns_s": "in turns the work of all requests stands in a row",
            "tasks_s": "the tasks work side by side, so it is not the sum",
        }
        return Why(lines[part], lambda event: event.connection == name and is_answer(event))


class Blocked(Question):
    number, title, group = 5, "One handler sleeps: who waits?", 2
    lesson = f"{LESSONS}07_error_handling.ipynb#A-blocked-loop"
    about = ("1.3", "p1.2", "p2.1", "e4.8", "p0.3", "p0.4")
    timed = True

    def draw(self, dice):
        return {
            "sleep": dice.choice((0.15, 0.2, 0.25, 0.3)),
            "asked": sorted(dice.sample((0.05, 0.1, 0.4), 2) + dice.sample((0.35, 0.45, 0.5), 2)),
        }

    def ask(self, drawn, evidence):
        code = [
            "async def sleepy(ws):",
            "    async for text in ws:",
            '        if text == "report":',
            f"            time.sleep({drawn['sleep']})",
            '        await ws.send(f"{text}: done")',
        ]
        asked = ", ".join(f"{seconds:.2f} s" for seconds in drawn["asked"])
        return (
            f"A server has this handler:\n\n{fenced(*code, language='python')}\n\nAda sends `report` at time 0. Bob, on a connection of his own, sends a "
            f"question after {asked}. When does each of Bob's four answers arrive, in seconds after time 0?"
        )

    def forms(self, drawn):
        return dict.fromkeys(("first", "second", "third", "fourth"), Seconds(0.6, within=0.02))

    async def record(self, drawn, pace=1):
        async def sleepy(ws):
            with contextlib.suppress(Exception):
                async for text in ws:
                    if text == "report":
                        time.sleep(drawn["sleep"] * pace)  # what the question is about
                    await ws.send(f"{text}: done")

        # On a thread of its own: a server that sleeps on the client's loop would stop the client, too.
        async with played(("Sleepy", sleepy, {"background": True})) as (server, recording):
            async with dial(server, "ada") as ada, dial(server, "bob") as bob:
                loop = asyncio.get_running_loop()
                began = loop.time()
                await ada.send("report")
                for number, seconds in enumerate(drawn["asked"]):
                    await asyncio.sleep(began + seconds * pace - loop.time())
                    await bob.send(f"question {number + 1}")
                for _ in drawn["asked"]:
                    await bob.recv()
                await ada.recv()
            await recording.settled()
        return Evidence(recording, pace=pace)

    def key(self, drawn, evidence):
        began = next(event for event in evidence.events if event.kind is Kind.TEXT and event.text == "report")
        answers = [event for event in evidence.events if event.connection == "bob" and is_answer(event)]
        times = [evidence.seconds(began, event) for event in answers]
        return dict(zip(("first", "second", "third", "fourth"), times, strict=True))

    def why(self, part, said, drawn, evidence):
        number = ("first", "second", "third", "fourth").index(part) + 1
        line = "time.sleep stops the loop, and with it every connection; what comes meanwhile waits, what comes later does not"
        return Why(line, lambda event: is_answer(event) and event.text.startswith(f"question {number}"))


QUESTIONS = (Timeline(), Blocked())
