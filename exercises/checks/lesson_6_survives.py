"""What the check of 6.1, what survives, looks at, in the order in which a learner reads it.

A server (`places.py`) runs in a process of its own; the check cuts its connection, then kills it, and compares what could
be read before and after.
"""

import contextlib
import json
import random
import secrets
import sys
from pathlib import Path

from websockets import connect

from wslab.engines import start_cluster
from wslab.judge import Wrong, behaviour
from wslab.recording import record
from wslab.trace import DATA

HERE = str(Path(__file__).parent)
NAMES = ["cart", "counter", "subprotocol", "token", "row", "contextvar", "clients", "last_sequence"]
SOCKET, PROCESS = "socket_lost", "process_lost"
FORMATS = ["kit.json.v1", "kit.xml.v1"]
ITEMS = "tea jam rice salt bread plums".split()

# What a wrong answer means, by name and by whether it was called lost where it survived; `x` is what was read then.
CALLED_SURVIVING = {
    "cart": "6.1 cart: the new connection runs a new handler call; the local is gone.",
    "counter": "6.1 counter: after the restart it read {x}.",
    "subprotocol": "6.1 subprotocol: the new connection agreed anew, and read {x}.",
    "contextvar": "6.1 contextvar: each call of the handler has a context of its own; the new one read {x}.",
    "clients": "6.1 clients: the entry refers to a closed connection.",
}
CALLED_LOST = {
    "counter": "6.1 counter: after the cut it still read {x}: the process went on.",
    "token": "6.1 token: any server could verify it after both losses: the client carries it.",
    "row": "6.1 row: after both losses the store still had {x}: it belongs to neither.",
    "last_sequence": "6.1 last sequence: the client keeps it, so it survives both server losses.",
}


@behaviour("6.1", "eight names, and for each the losses that it survives")
async def form(answer):
    _sets(await answer.call())


@behaviour("6.1", "what a real server could still read after a cut, and after a kill")
async def both_losses(answer):
    told = _sets(await answer.call())
    before, after = await _experiment(answer)
    for name in NAMES:
        for loss, (did, reading) in after.items():
            survived = reading[name] == before[name]
            if (loss in told[name]) == survived:
                continue
            lines = CALLED_LOST if survived else CALLED_SURVIVING
            raise Wrong(
                lines[name].format(x=json.dumps(reading[name])),
                did=did,
                expected=f'"{loss}" {"" if survived else "not "}in the set of "{name}"',
                saw=f'"{name}": {sorted(told[name])}',
                where=_tells(reading),
            )


def _sets(told):
    if not isinstance(told, dict):
        raise Wrong(
            f"6.1 result: survives() returned {told!r}, expected a dictionary with a set for each name.",
            did="survives()",
            expected="a dictionary",
            saw=repr(told),
        )
    for name in NAMES:
        said = told.get(name)
        facts = {
            "did": "survives()",
            "expected": f'a set with "{SOCKET}", "{PROCESS}", both or none of them',
            "saw": repr(said),
        }
        if name not in told:
            raise Wrong(f'6.1 names: "{name}" is missing in your dictionary.', **facts)
        if not isinstance(said, set | frozenset | list | tuple) or any(loss not in (SOCKET, PROCESS) for loss in said):
            raise Wrong(
                f'6.1 {name}: you said {said!r}. Say "{SOCKET}" or "{PROCESS}", both, or none: set().', **facts
            )
    return told


async def _experiment(answer):
    """What could be read (before, after), by name; `after` by loss, each with what had been done."""
    name, items = secrets.token_hex(2), random.sample(ITEMS, random.randint(2, 4))
    key = {"PLACES_KEY": secrets.token_hex()}
    with _modules_here():
        cluster = await start_cluster(
            "places:handler", servers=1, policy=None, setup="places:prepare", environment=key, subprotocols=FORMATS
        )
        server = cluster.servers[0]
        try:
            with record(cluster) as answer.recording:
                async with connect(cluster.url, subprotocols=FORMATS[:1]) as ws:
                    for item in items:
                        told = await _ask(ws, name=name, remember=item)
                    known = {"name": name, "recall": True, "token": told["token"], "last_sequence": told["sequence"]}
                    before = await _ask(ws, **known)
                    await answer.recording.settled()
                    server.tap.cut()
                    await answer.recording.settled()
                after = {SOCKET: ("cut the connection, and connected again", await _again(answer, cluster, known))}
                server.kill()
                await answer.recording.settled()
                await server.restart()
                did = "killed the process, started a new one, and connected again"
                after[PROCESS] = did, await _again(answer, cluster, known)
            return before, after
        finally:
            await cluster.stop()


async def _again(answer, cluster, known):
    """What a client reads that connects anew; it knows what it was told before."""
    async with connect(cluster.url, subprotocols=FORMATS[1:]) as ws:
        found = await _ask(ws, **known)
        await answer.recording.settled()
    await answer.recording.settled()
    return found


async def _ask(ws, **message):
    await ws.send(json.dumps(message))
    return json.loads(await ws.recv())


@contextlib.contextmanager
def _modules_here():
    """Let server processes find the modules of this folder: they look where this process does."""
    sys.path.append(HERE)
    try:
        yield
    finally:
        sys.path.remove(HERE)


def _tells(reading):
    """The arrow of the answer that says so."""
    return lambda event: not event.up and event.kind in DATA and json.loads(event.text) == reading
