"""What the check of 6.1, what survives, looks at, in the order in which a learner reads it.

A server (`eight_places.py`) runs in a process of its own; the check cuts its connection, then kills it, and compares
what could be read before and after.
"""

import contextlib
import json
import random
import secrets
import sys
from pathlib import Path

from websockets import connect

from wslab.engines import start_cluster
from wslab.errors import LabError
from wslab.judge import NoAnswer, Wrong, behaviour
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
                expected=f'"{loss}" {"" if survived else "not "}in the set of "{name}": before, the server read '
                f"{json.dumps(before[name])} there, then {json.dumps(reading[name])}",
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
            raise Wrong(f'6.1 {name}: you said {said!r}. Say "{SOCKET}" or "{PROCESS}", both, or none: set().', **facts)
    return told


async def _experiment(answer):
    """What could be read (before, after), by name; `after` by loss, each with what had been done."""
    name, items = secrets.token_hex(2), random.sample(ITEMS, random.randint(2, 3))
    options = {"setup": "eight_places:prepare", "select_subprotocol": "eight_places:first"}
    with _modules_here():
        key = {"PLACES_KEY": secrets.token_hex()}
        try:
            cluster = await start_cluster("eight_places:handler", servers=1, policy=None, environment=key, **options)
        except LabError as exc:
            raise NoAnswer(
                f"6.1 experiment: the check's own server did not start ({exc}). That is not your answer's fault: run "
                "the check again."
            ) from None
        server = cluster.servers[0]
        try:
            with record(cluster) as answer.recording:
                ws = await _connect(cluster, FORMATS[0])
                for item in items:
                    told = await _ask(ws, name=name, remember=item)
                known = {"name": name, "recall": True, "token": told["token"], "last_sequence": told["sequence"]}
                before = await _ask(ws, **known)
                await answer.recording.settled()
                server.tap.cut()
                await answer.recording.settled()
                ws = await _connect(cluster, FORMATS[1])
                after = {SOCKET: ("cut the connection, and connected again", await _ask(ws, **known))}
                await answer.recording.settled()
                server.kill()
                await ws.wait_closed()
                await answer.recording.settled()
                await server.restart()
                async with await _connect(cluster, FORMATS[1]) as ws:
                    did = "killed the process, started a new one, and connected again"
                    after[PROCESS] = did, await _ask(ws, **known)
                    await answer.recording.settled()
            return before, after
        finally:
            await cluster.stop()


async def _connect(cluster, format):
    return await connect(cluster.url, subprotocols=[format], compression=None, proxy=None)


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
