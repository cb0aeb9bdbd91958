"""What the check of 4.1, where does it land, looks at, in the order in which a learner reads it.

The check runs each script of events with a balancer, servers and clients of its own, and compares with what they did.
"""

import asyncio
import dataclasses
import random

from websockets import ConnectionClosed, InvalidHandshake, connect

from wslab import serve
from wslab.judge import Wrong, behaviour
from wslab.recording import record
from wslab.relay import Relay, Side
from wslab.trace import DATA, Kind

HOST = "127.0.0.1"
NAMES = "ada bob cleo dan eve fay gus hal ida jon kim leo".split()
ROUND_ROBIN, LEAST_CONN = "round_robin", "least_conn"
WAIT_S, CLOSE_S = 2.0, 0.5


@behaviour("4.1", "round robin: connections go round, messages stay with their connection")
async def go_round(answer):
    for n in random.sample([2, 3, 4], 2):
        names = _names(n + random.randint(1, 3))
        events = [("open", name) for name in names]
        events += [("msg", name) for name in random.sample(names, len(names)) for _ in range(2)]
        await _judge(answer, events, ROUND_ROBIN, n)


@behaviour("4.1", "round robin: a server goes down")
async def go_round_without_one(answer):
    for n in random.sample([3, 4], 2):
        names = _names(n + random.randint(0, n - 1) + 2)
        *early, late, later = names
        down = len(early) % n  # whose turn is next
        lost = [name for number, name in enumerate(early) if number % n == down]
        stays = random.choice([name for name in early if name not in lost])
        events = [("open", name) for name in early]
        events += [("down", down), *(("msg", name) for name in random.sample(early, len(early)))]
        events += [("open", lost[0]), ("open", late), ("close", stays), ("open", later)]
        events += [("msg", name) for name in (late, lost[0], later)]
        await _judge(answer, events, ROUND_ROBIN, n)


@behaviour("4.1", "least connections: the open ones count, and nobody moves")
async def fewest(answer):
    for n in random.sample([3, 4], 2):
        *early, late, later = _names(2 * n + 2)
        emptied = random.randrange(1, n)
        stay = [name for number, name in enumerate(early) if number % n != emptied]
        events = [("open", name) for name in early]
        events += [("close", name) for name in early if name not in stay]
        events += [("msg", name) for name in random.sample(stay, len(stay))]
        events += [("open", late), ("open", later), ("msg", later), ("msg", random.choice(stay))]
        await _judge(answer, events, LEAST_CONN, n)


@behaviour("4.1", "least connections: a server goes down")
async def fewest_without_one(answer):
    n = 3
    names = _names(n + random.randint(1, 3))
    down = random.randrange(n)
    lost = [name for number, name in enumerate(names) if number % n == down]
    events = [("open", name) for name in names]
    events += [("down", down), *(("msg", name) for name in random.sample(names, len(names)))]
    events += [event for name in lost for event in (("open", name), ("msg", name))]
    await _judge(answer, events, LEAST_CONN, n)


@behaviour("4.1", "no server is up")
async def none_left(answer):
    ada, bob, cleo = _names(3)
    events = [("open", ada), ("open", bob), ("down", 0), ("msg", bob), ("down", 1)]
    events += [("msg", ada), ("msg", bob), ("open", cleo)]
    await _judge(answer, events, random.choice([ROUND_ROBIN, LEAST_CONN]), 2)


def _names(count):
    return random.sample(NAMES, count)


# What the learner said, beside what happened -------------------------------------------------------------------


async def _judge(answer, events, policy, n):
    """Compare the learner's list with what a real balancer did; the first event with another value is told."""
    said = await answer.call(events, policy, n)
    did = f"where({events}, {policy!r}, {n})"
    if type(said) is not list or len(said) != len(events):
        saw = f"a list of {len(said)} values" if type(said) is list else repr(said)
        raise Wrong(
            f"4.1 result: return a list with one value for each of the {len(events)} events; your function returned "
            f"{saw}.",
            did=did,
            expected=f"a list of {len(events)} values",
            saw=saw,
        )
    happened = await _run(answer, events, policy, n)
    for number, (event, value, log) in enumerate(zip(events, said, happened, strict=True)):
        if event[0] in ("open", "msg") and (type(value), value) != (type(log.server), log.server):
            raise Wrong(
                f"4.1 event {number}: {_why(event, value, log, policy)}",
                did=f"where({events[: number + 1]}, {policy!r}, {n}), looked at the last one",
                expected=repr(log.server),
                saw=repr(value),
                where=_arrow(number, log),
            )


def _why(event, value, log, policy):
    """What `value` mistakes about `event`."""
    if event[0] == "msg":
        if log.lost is not None:
            return f"server {log.lost} is down, its connections are gone: expected None."
        if policy == ROUND_ROBIN:
            return (
                f"message on an open connection stayed on server {log.server}; the balancer decides once per "
                "connection."
            )
        return f"nobody moved; only connections opened later can land on server {value}."
    if log.server is None:
        return "no server is up, so no connection comes about: expected None."
    if value in log.down:
        return f"server {value} is down: nothing can land there."
    if policy == LEAST_CONN:
        if value == log.fewest_ever:
            return "least_conn counts open connections only."
        return (
            f"least_conn takes the server with the fewest open connections, which were {log.open}, and of several the "
            f"lowest: expected {log.server}."
        )
    if value == log.last:
        return f"two connections in a row went to {value}."
    before = "the first connection goes to" if log.last is None else f"after server {log.last} comes"
    return f"{before} server {log.server}: round robin goes on after the server that was chosen last."


def _arrow(number, log):
    """The arrow of event `number`: its GET or its message, or the end that its connection met before."""
    if log.lost is not None:
        return lambda event: event.kind is Kind.CLOSE and not event.up and event.tap == f"Server {log.lost}"
    asked, said = f"/{number}?", f"event {number}"
    return lambda event: (
        event.up
        and ((event.kind is Kind.REQUEST and asked in event.headline) or (event.kind in DATA and event.text == said))
    )


# The balancer, its servers and their clients -------------------------------------------------------------------


@dataclasses.dataclass
class Log:
    """What the balancer did at one event, and what it knew before: connections on each server, open and ever."""

    server: int | None = None
    lost: int | None = None  # the server that went down with this connection
    last: int | None = None
    down: frozenset[int] = frozenset()
    open: dict[int, int] | None = None
    fewest_ever: int | None = None


class Balancer:
    """Joins each TCP connection with one of the servers, and passes bytes on; messages are nothing that it knows."""

    def __init__(self, policy, servers):
        self.policy, self.servers = policy, servers
        self.down, self.last = set(), None
        self.open = dict.fromkeys(range(len(servers)), 0)
        self.ever = dict(self.open)
        self.joined = None  # the newest connection

    def up(self):
        return [server for server in self.open if server not in self.down]

    def choose(self):
        """The server for a connection that has just come.

        Raises:
            ConnectionRefusedError: If all are down.
        """
        if not self.up():
            raise ConnectionRefusedError
        if self.policy == LEAST_CONN:
            self.last = min(self.up(), key=self.open.get)
        else:
            n, last = len(self.servers), -1 if self.last is None else self.last
            self.last = min(self.up(), key=lambda server: (server - last - 1) % n)
        return self.last


class Joined(Relay):
    """One connection through the balancer."""

    def __init__(self, balancer):
        super().__init__()
        self.balancer, self.number = balancer, None
        self.ended = asyncio.Event()
        balancer.joined = self

    async def dial(self, side):
        balancer = self.balancer
        self.number = balancer.choose()
        balancer.open[self.number] += 1
        balancer.ever[self.number] += 1
        port = balancer.servers[self.number].taps[0].port
        return await asyncio.get_running_loop().create_connection(lambda: side, HOST, port)

    def forgotten(self):
        if self.number is not None and not self.ended.is_set():
            self.balancer.open[self.number] -= 1
        self.ended.set()


async def _run(answer, events, policy, n):
    """Let `events` happen, on sockets; returns the log of each."""
    servers = [await serve(_telling(number), name=f"Server {number}") for number in range(n)]
    balancer = Balancer(policy, servers)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Side(Joined(balancer)), HOST, 0)
    url = f"ws://{HOST}:{listener.sockets[0].getsockname()[1]}"
    clients = {}
    try:
        with record(*servers) as answer.recording:
            logs = []
            for number, event in enumerate(events):
                logs.append(await _happen(balancer, clients, url, number, event))
                answer.recording.trace.step += 1  # whatever it led to has been awaited
            return logs
    finally:
        listener.close()
        for client, _ in clients.values():
            await client.close()
        for server in servers:
            await server.stop()


def _telling(number):
    """A handler of server `number`: it answers with that."""

    async def handler(ws):
        async for _ in ws:
            await ws.send(str(number))

    return handler


async def _happen(balancer, clients, url, number, event):
    kind, who = event
    log = Log(last=balancer.last, down=frozenset(balancer.down), open=dict(balancer.open))
    log.fewest_ever = min(balancer.up(), key=balancer.ever.get, default=None)
    if kind == "open":
        try:
            client = await connect(f"{url}/{number}?name={who}", compression=None, proxy=None, close_timeout=CLOSE_S)
        except (OSError, InvalidHandshake):
            return log
        clients[who] = client, balancer.joined
        log.server = balancer.joined.number
    elif kind == "msg":
        client, joined = clients[who]
        try:
            await client.send(f"event {number}")
            log.server = int(await asyncio.wait_for(client.recv(), WAIT_S))
        except ConnectionClosed:
            log.lost = joined.number
    elif kind == "close":
        client, joined = clients[who]
        await client.close()
        await joined.ended.wait()
    else:
        balancer.down.add(who)
        await balancer.servers[who].stop()
        for _, joined in clients.values():
            if joined.number == who:
                await joined.ended.wait()
    return log
