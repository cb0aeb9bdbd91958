"""Questions 10 and 11: several servers: who is connected where, and who hears what."""

import asyncio
import contextlib

from websockets import ConnectionClosed, connect

from wslab.errors import LabError
from wslab.recording import record
from wslab.trace import Kind

from .forms import SomeOf, Whole
from .model import LESSONS, Evidence, Question, Unable, Why, table

HEARD_S = 2.0


@contextlib.asynccontextmanager
async def running(handler, **options):
    """A cluster and its recording.

    Raises:
        Unable: If an engine is missing here.
    """
    from wslab.engines import start_cluster  # what only this needs is loaded with it

    try:
        cluster = await start_cluster(f"questions.processes:{handler}", **options)
    except LabError as exc:
        raise Unable(str(exc)) from None
    try:
        with record(cluster) as recording:
            yield cluster, recording
    finally:
        await cluster.stop()


def enter(cluster, name):
    """Connect to the balancer of `cluster`."""
    return connect(f"{cluster.url}/?name={name}", compression=None, proxy=None)


def is_at_server(event):
    """Did it cross the line between the balancer and a server?"""
    return event.kind is Kind.TEXT and event.relayed


class Balanced(Question):
    number, title, group = 10, "Where do the messages go?", 4
    lesson = f"{LESSONS}04_architectures.ipynb#2-Three-servers"
    about = ("4.1", "p4.1", "p4.3", "p4.4", "e4.4", "r7", "p6.1")

    def draw(self, dice):
        clients, before, after = dice.randint(4, 6), dice.randint(0, 3), dice.randint(0, 3)
        return {
            "before": [1 + (before + 3 * client) % 4 for client in range(clients)],
            "after": [1 + (after + client) % 4 for client in range(clients)],
            "stopped": dice.randint(1, 3),
        }

    def ask(self, drawn, evidence):
        names = [f"c{number}" for number in range(1, len(drawn["before"]) + 1)]
        rows = list(zip(names, drawn["before"], drawn["after"], strict=True))
        return (
            "Three servers behind a balancer, round robin; the first client lands on Server 1. The clients connect one after the "
            "other, in the order of the table, and send the messages of the first column. Then Server "
            f"{drawn['stopped']} is stopped for good. Those who were on it connect again, one after the other, in the order "
            "of the table. Then all send the messages of the second column.\n\n"
            f"{table(('client', 'messages before', 'messages after'), rows)}\n\n"
            "How many messages does each server get in all?"
        )

    def forms(self, drawn):
        return dict.fromkeys(("server_1", "server_2", "server_3"), Whole(0, sum(drawn["before"]) + sum(drawn["after"])))

    async def record(self, drawn):
        async with running("echo", name="Question 10") as (cluster, recording):
            clients = {}

            async def say(counts):
                for name, count in zip(clients, counts, strict=True):
                    for number in range(count):
                        await clients[name].send(f"{name} {number}")
                        await clients[name].recv()

            for number in range(1, len(drawn["before"]) + 1):
                clients[f"c{number}"] = await enter(cluster, f"c{number}")
                await recording.settled()
            await say(drawn["before"])
            await recording.settled()
            stopped = cluster.servers[drawn["stopped"] - 1]
            connected = {
                event.connection
                for event in recording.trace
                if is_at_server(event) and stopped.name in (event.source, event.target)
            }
            await stopped.stop()
            for name in sorted(connected):
                await clients[name].wait_closed()
                clients[name] = await enter(cluster, name)
                await recording.settled()
            await say(drawn["after"])
            await recording.settled()
            for ws in clients.values():
                await ws.close()
            await recording.settled()
        return Evidence(recording)

    def key(self, drawn, evidence):
        got = [event.target for event in evidence.events if is_at_server(event) and event.up]
        return {f"server_{number}": got.count(f"Server {number}") for number in (1, 2, 3)}

    def why(self, part, said, drawn, evidence):
        server = part.replace("server_", "Server ")
        line = (
            "the balancer chooses once for a connection; its messages all go the same way, until the connection ends and a new "
            "one is given to the next server that is up"
        )
        return Why(line, lambda event: event.kind is Kind.REQUEST and event.target == server and event.relayed)


class Room(Question):
    number, title, group = 11, "Who hears it?", 4
    lesson = f"{LESSONS}04_architectures.ipynb#4-A-backplane"
    about = ("4.2", "4.5", "p4.2", "e4.3", "e4.7", "m4")

    def draw(self, dice):
        clients = dice.randint(5, 7)
        return {"clients": clients, "servers": dice.randint(2, 3), "speaker": dice.randint(1, clients)}

    def ask(self, drawn, evidence):
        return (
            f"{drawn['clients']} clients, numbered from 1, connect one after the other to {drawn['servers']} servers behind a "
            "balancer, round robin; the first one lands on Server 1. Each server knows its own connections, in a set. Client "
            f"{drawn['speaker']} says something to the room.\n\nWho hears it **without** a backplane, when its server "
            "broadcasts to its set? And who **with** one, when its server publishes it and every server broadcasts what comes from "
            "the backplane? Two sets of client numbers."
        )

    def forms(self, drawn):
        clients = SomeOf(tuple(range(1, drawn["clients"] + 1)))
        return {"without": clients, "with": clients}

    async def record(self, drawn):
        options = {"servers": drawn["servers"], "backplane": True, "setup": "questions.processes:join"}
        async with running("room", name="Question 11", **options) as (cluster, recording):
            clients = []
            for number in range(1, drawn["clients"] + 1):
                clients.append(await enter(cluster, f"c{number}"))
                await recording.settled()
            speaker = clients[drawn["speaker"] - 1]
            await speaker.send("here: hello")
            await speaker.recv()
            await recording.settled()
            waiting = [asyncio.create_task(_hear(ws, "all: hello")) for ws in clients]
            await speaker.send("all: hello")
            await asyncio.wait(waiting, timeout=HEARD_S)
            for task in waiting:
                task.cancel()
            await recording.settled()
            for ws in clients:
                await ws.close()
            await recording.settled()
        return Evidence(recording)

    def key(self, drawn, evidence):
        down = [event for event in evidence.events if event.kind is Kind.TEXT and not event.up and not event.relayed]
        return {
            part: {int(event.target.removeprefix("c")) for event in down if event.text.startswith(word)}
            for part, word in (("without", "here"), ("with", "all"))
        }

    def why(self, part, said, drawn, evidence):
        speaker = f"c{drawn['speaker']}"
        if part == "without":
            line = "the set lives in one process: in it are those whom the balancer gave to the speaker's server"
            return Why(
                line,
                lambda event: event.kind is Kind.TEXT and event.up and event.relayed and event.connection == speaker,
            )
        line = "what is published goes to every server that subscribed, the speaker's own included"
        return Why(line, lambda event: event.kind is Kind.PUBLISH)


async def _hear(ws, text):
    with contextlib.suppress(ConnectionClosed):
        while await ws.recv() != text:
            pass


QUESTIONS = (Balanced(), Room())
