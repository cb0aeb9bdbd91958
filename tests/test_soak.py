"""A soak: random lesson actions in one kernel, for a short while, or for ten minutes with `--slow`.

Afterwards file descriptors, tasks, threads, child processes, servers and memory are back at the base line, which is
what a first round of every action left.
"""

from __future__ import annotations

import json
import random
import re
import time

import pytest
from test_kernel import Kernel

SHORT_S, LONG_S = 15, 600
INTERRUPT_S = 0.4
SLACK_MB = 24  # caches: fonts, compiled patterns, what the allocator keeps
CELL_MB = 0.02  # a kernel without the kit grows by 0.022 with each cell (2,400 of one line each): history, messages

SETUP = """
import asyncio, gc, json, os, threading, time
import psutil, websockets
from websockets import connect, broadcast
from wslab import charts, check, enable_nested, hint, load, predict, record, reveal, running_servers, serve, serve_app
from wslab.engines import measure, open_idle, running_clusters, start_cluster
from wslab.errors import LabError
from wslab.report import NotSolved

async def echo(ws):
    async for message in ws:
        await ws.send(message)

async def talk(url, count=3):
    async with connect(url) as ws:
        for number in range(count):
            await ws.send(f"{number}")
            await ws.recv()

async def raises(ws):
    async for message in ws:
        raise KeyError(message)

async def never(ws):
    await asyncio.sleep(3600)

async def wrong(delays, mode):
    return 0

async def state():
    await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.05) for _ in range(40)))  # so the pool has all its threads
    for _ in range(50):  # what is ending ends
        await asyncio.sleep(0.02)
    gc.collect()
    process = psutil.Process()
    children = [child for child in process.children(recursive=True) if "supervisor.py" not in " ".join(child.cmdline())]
    return json.dumps({
        "descriptors": process.num_fds(),
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "children": len(children),
        "servers": len(running_servers()) + len(running_clusters()),
        "listening": sum(one.status == "LISTEN" for one in process.net_connections("tcp")),
        "MB": process.memory_info().rss / 1e6,
    })
"""

ACTIONS = {
    "serve and talk": "server = await serve(echo)\nawait talk(server.url)",
    "serve anew": "server = await serve(echo)",
    "two servers": "for name in ('Ada', 'Bob'):\n    server = await serve(echo, name=name)\n    await talk(server.url)",
    "record": """
server = await serve(echo)
with record(server) as recording:
    await talk(server.url)
    await recording.settled()
recording
""",
    "picture": """
server = await serve(echo)
with record(server) as recording:
    await talk(server.url)
recording.map()
""",
    "hook": """
server = await serve(echo, hook=True)
with record(server) as recording:
    await asyncio.gather(*(talk(server.url) for _ in range(20)))
print(len(recording.only("Client 7").trace))
""",
    "cut": """
server = await serve(echo)
async with connect(server.url) as ws:
    server.tap.cut()
    try:
        await ws.recv()
    except websockets.ConnectionClosed as exc:
        print(exc)
""",
    "leak": "server = await serve(echo)\nleaked = [await connect(server.url) for _ in range(20)]",
    "raise": """
server = await serve(raises)
try:
    await talk(server.url)
except websockets.ConnectionClosed as exc:
    print(exc)
""",
    "never": "server = await serve(never)\nws = await connect(server.url)\nawait server.stop()",
    "background": "server = await serve(echo, background=True)\nawait talk(server.url)\nawait server.stop()",
    "wrong answer": "try:\n    check('2.1', wrong)\nexcept NotSolved:\n    pass",
    "misuse": "try:\n    check('9.9', print)\nexcept LabError as exc:\n    print(exc)",
    "hint": "hint('2.2')",
    "chart": "charts.histogram({'one': [number / 7 for number in range(50)]}, title='How long', unit='s')",
    "crowd": "server = await serve(echo, tap=False)\ncrowd = await open_idle(server.url, 50)\nawait crowd.close()",
    "load": "server = await serve(echo, tap=False)\nmeasured = await measure(server.url, clients=4, seconds=0.2)",
    "error": "1 / 0",
    "output": "print('x' * 100_000)",
    "interrupt": "await asyncio.sleep(60)",
}
RARE = {
    "cluster": """
cluster = await start_cluster("servers.rooms:who", servers=1, policy=None)
await talk(cluster.url)
await cluster.stop()
""",
    "blocked": """
server = await serve(blocks)
try:
    await talk(server.url, 1)
except websockets.ConnectionClosed as exc:
    print(exc)
""",
}
BLOCKS = "async def blocks(ws):\n    await ws.recv()\n    time.sleep(5)"
END = """
for name in ("ws", "leaked", "crowd", "recording"):
    globals().pop(name, None)
for server in running_servers():
    await server.stop()
for cluster in running_clusters():
    await cluster.stop()
get_ipython().displayhook.flush()  # what it keeps of what cells returned
print(await state())
"""
MAY_FAIL = {"error", "interrupt"}


class Soak:
    """A kernel, and what its base line was."""

    def __init__(self, kernel):
        self.kernel = kernel
        for code in (SETUP, BLOCKS):
            assert kernel.run(code)[0] == "ok"

    def act(self, name, code):
        """Run one action, and tell what it should not have said."""
        message = self.kernel.start(code)
        if name == "interrupt":
            time.sleep(INTERRUPT_S)
            self.kernel.manager.interrupt_kernel()
        status, text, error = self.kernel.finish(message, timeout=60.0)
        if (status == "ok") == (name in MAY_FAIL) or re.search(r"never (awaited|retrieved)|Task was destroyed", text):
            return f"{name}: {status} {text[-300:]} {' '.join(error)[-600:]}"
        return ""

    def measured(self):
        status, text, error = self.kernel.run(END, timeout=60.0)
        assert status == "ok", error
        return json.loads(text.splitlines()[-1])


@pytest.mark.parametrize("seconds", [SHORT_S, pytest.param(LONG_S, marks=pytest.mark.slow)])
def test_everything_returns_to_the_base_line(tmp_path, seconds, record_property):
    """After random actions nothing has grown: descriptors, tasks, threads, processes, servers, ports, memory."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    kernel = Kernel(tmp_path)
    try:
        soak = Soak(kernel)
        actions = ACTIONS | (RARE if seconds == LONG_S else {})
        wrong = [soak.act(name, code) for name, code in (ACTIONS | RARE).items() for _ in range(2)]
        before = soak.measured()
        done, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            name = chance.choice(list(ACTIONS) if chance.random() < 0.95 else list(actions))
            wrong.append(soak.act(name, actions[name]))
            done += 1
        after = soak.measured()
    finally:
        kernel.close()
    told = f"seed {seed}, {done} actions, before {before}, after {after}"
    print(told)
    record_property("soak", told)
    assert [line for line in wrong if line] == [], told
    assert after.pop("MB") <= before.pop("MB") + SLACK_MB + CELL_MB * done, told
    assert all(after[what] <= before[what] for what in before), told
    assert after["children"] == after["servers"] == 0, told
