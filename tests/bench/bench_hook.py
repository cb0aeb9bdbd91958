"""What the recording hook costs: python tests/bench/bench_hook.py

Every comparison is between things run in turn, in one run: echoes a second at 64 B and 64 KiB, untraced, with the hook,
the library's DEBUG log, the tap, and through mitmdump; the memory and the
broadcast of 10,000 idle connections (fewer where fewer files may be open, or `--connections N`), each way of those in
a process of its own. Prints medians with their spread, beside the goals, and ends by itself after some minutes. Give
`--mitmdump PATH` or have it on the PATH (`pip install mitmproxy`, in an environment of its own). Nothing here is a
test: absolute figures swing with the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import shutil
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil
import websockets

from wslab import record, serve
from wslab.engines import open_idle
from wslab.engines.clients import room

ROUNDS = 40  # of echoes
REPEATS = 5  # of thousands of connections
SIZES = {64: 250, 64 * 1024: 60}  # echoes in a round
WINDOW = 32  # under way at once
OPTIONS = {"compression": None, "ping_interval": None, "max_size": None}
READY_S, TURN_S = 20.0, 240.0


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def library():
    async with websockets.serve(echo, "127.0.0.1", 0, **OPTIONS) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", contextlib.nullcontext()


@contextlib.asynccontextmanager
async def served(name, *, recorded=False, **options):
    """A server of the kit, and its recording, to be entered for a round at a time."""
    server = await serve(echo, name=name, **OPTIONS, **options)
    yield server.url, record(server) if recorded else contextlib.nullcontext()
    await server.stop()


@contextlib.asynccontextmanager
async def debug_log():
    logger, kept = logging.Logger("bench", logging.DEBUG), []
    handler = logging.Handler()
    handler.emit = lambda record: kept.append(record.getMessage())
    logger.addHandler(handler)
    async with served("DEBUG log", tap=False, logger=logger) as way:
        yield way


HOOK = "hook, recording"
WAYS = {
    "untraced": lambda: served("untraced", tap=False),
    HOOK: lambda: served("hook", hook=True, recorded=True),
    "hook, no recording": lambda: served("hook, idle", hook=True),
    "websockets alone": library,
    "DEBUG log": debug_log,
    "tap, recording": lambda: served("tap", recorded=True),
}


@contextlib.asynccontextmanager
async def through_mitmdump(program):
    """mitmdump in reverse mode before the untraced server."""
    async with served("behind mitmdump", tap=False) as (url, nothing):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [program, "--quiet", "--listen-host", "127.0.0.1", "--listen-port", str(port)]
        process = subprocess.Popen([*command, "--mode", f"reverse:http{url[2:]}"], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + READY_S
            while True:
                try:
                    async with websockets.connect(f"ws://127.0.0.1:{port}", compression=None):
                        break
                except (OSError, websockets.WebSocketException):
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(0.2)
            yield f"ws://127.0.0.1:{port}", nothing
        finally:
            process.terminate()
            process.wait()


async def batch(ws, payload, count):
    """Echoes a second of wall time and of this process's CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(min(WINDOW, count)):
        await ws.send(payload)
    for _ in range(count - WINDOW):
        await ws.recv()
        await ws.send(payload)
    for _ in range(min(WINDOW, count)):
        await ws.recv()
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def spread(values, form="{:.2f}"):
    middle, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})"


async def bench_echoes(mitmdump):
    print(f"echoes, {ROUNDS} rounds in turn, {WINDOW} messages under way; ratio to untraced: median (min–max)\n")
    print(f"{'payload':>9}  {'way':<20}{'wall':>22}{'CPU':>22}{'echoes/s':>10}")
    for size, count in SIZES.items():
        payload, found = b"x" * size, {}
        async with contextlib.AsyncExitStack() as stack:
            ways = dict(WAYS)
            if mitmdump:
                ways["mitmdump"] = lambda: through_mitmdump(mitmdump)
            clients, recordings = {}, {}
            for name, way in ways.items():
                url, recordings[name] = await stack.enter_async_context(way())
                client = websockets.connect(url, compression=None, max_size=None)
                clients[name] = await stack.enter_async_context(client)
                await batch(clients[name], payload, WINDOW)
                found[name] = []
            names = list(clients)
            for turn in range(ROUNDS):
                shift = turn % len(names)
                for name in names[shift:] + names[:shift]:
                    with recordings[name]:  # open only now: what others do is looked at by every open one
                        found[name].append(await batch(clients[name], payload, count))
        for name, rates in found.items():
            wall, cpu = ([r[i] / b[i] for r, b in zip(rates, found["untraced"], strict=True)] for i in (0, 1))
            speed = statistics.median(rate[0] for rate in rates)
            cpu_told = "other process" if name == "mitmdump" else spread(cpu)
            print(f"{size:>7} B  {name:<20}{spread(wall):>22}{cpu_told:>22}{speed:>10.0f}")
        if mitmdump:
            ratio = [h[0] / m[0] for h, m in zip(found[HOOK], found["mitmdump"], strict=True)]
            print(f"{'':>9}  hook against mitmdump: {spread(ratio, '{:.1f}')} times as fast; goal ≥ 10 at 64 B")
        if size == 64:
            [(_, journal)] = recordings[HOOK]._journals._kept
            records = sum(1 for _ in journal)  # which flushes
            kept = journal.used / records
            print(f"{'':>9}  kept by the hook of a 64-byte frame: {kept:.1f} B; goal ≤ 96")
        print(f"{'':>9}  goal of the hook: ≥ {0.95 if size == 64 else 0.90:.2f}\n")


async def one_turn(way, connections):
    """In a process of its own: open so many connections, send one message to all; prints what that took."""
    room(connections)

    async def idle(ws):
        await ws.wait_closed()

    async with contextlib.AsyncExitStack() as stack:
        if way == "websockets alone":
            server = await stack.enter_async_context(websockets.serve(idle, "127.0.0.1", 0, **OPTIONS))
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        else:
            server = await serve(idle, tap=False, hook=way == HOOK, **OPTIONS)
            url = server.url
            stack.push_async_callback(server.stop)
            if server.hook is not None:
                stack.enter_context(record(server))
        warm = await open_idle(url, min(200, connections))
        await warm.close()
        gc.collect()
        before = psutil.Process().memory_info().rss
        crowd = await open_idle(url, connections)
        stack.push_async_callback(crowd.close)
        gc.collect()
        memory = psutil.Process().memory_info().rss - before
        delays = [await crowd.broadcast(lambda: websockets.broadcast(server.connections, "x" * 64)) for _ in range(5)]
        found = {"opened": crowd.opened, "memory": memory / crowd.opened, "seconds": crowd.seconds}
        print(json.dumps(found | {"last": min(delay[-1] for delay in delays)}), flush=True)


def bench_connections(connections):
    ways = "untraced", HOOK, "websockets alone"
    found = {way: [] for way in ways}
    for turn in range(REPEATS):
        for way in ways[turn % 3 :] + ways[: turn % 3]:
            command = [sys.executable, __file__, "--turn", way, "--connections", str(connections)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=TURN_S)
            if done.returncode:
                sys.exit(done.stderr)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    opened = found["untraced"][0]["opened"]
    print(f"{opened:,} idle connections, {REPEATS} turns, each in a process of its own: median (min–max)")
    print("broadcast: the best of five in a turn\n")
    print(f"{'way':<20}{'KiB a connection':>22}{'open all, s':>20}{'broadcast, ms':>22}")
    for way, turns in found.items():
        memory, seconds, last = ([turn[key] for turn in turns] for key in ("memory", "seconds", "last"))
        told = spread([value / 1024 for value in memory], "{:.1f}"), spread(seconds, "{:.1f}")
        print(f"{way:<20}{told[0]:>22}{told[1]:>20}{spread([1000 * v for v in last], '{:.0f}'):>22}")
    for key, what, goal in ("memory", "memory", 1.05), ("last", "broadcast", 1.15):
        for base in ("untraced", "websockets alone"):
            ratios = [hook[key] / turn[key] for hook, turn in zip(found[HOOK], found[base], strict=True)]
            print(f"{what}, hook against {base}: {spread(ratios)}; goal ≤ {goal}")


def main():
    parser = argparse.ArgumentParser(description="What the recording hook costs.")
    parser.add_argument("--mitmdump", default=shutil.which("mitmdump"), help="the program, for the comparison with it")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.turn:
        turn = one_turn(given.turn, given.connections)
        with ThreadPoolExecutor(1) as thread:  # there nobody watches how long a broadcast keeps the loop busy
            thread.submit(asyncio.run, turn).result()
        return
    if not given.mitmdump:
        print("no mitmdump: it is left out (pip install mitmproxy, in an environment of its own)\n")
    asyncio.run(bench_echoes(given.mitmdump))
    if given.connections:
        bench_connections(given.connections)


if __name__ == "__main__":
    main()
