"""What recording and checking cost: python tests/bench/bench_recording.py

An echo server in one process, the ways interleaved: untraced, with the library's DEBUG log, behind the tap, behind the
tap with a recording open. Then `check` beside the same behaviours run bare: no tap, no guard, no second thread. Prints
medians with their spread and ends by itself after about a minute. Nothing here is a test: absolute figures swing with
the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

import websockets  # noqa: E402
from kit import define, references  # noqa: E402

from wslab import catalogue, check, judge, record, serve  # noqa: E402
from wslab.answer import Case  # noqa: E402

ROUNDS = 7
SIZES = {64: 1500, 64 * 1024: 150}
SILENT = logging.Logger("silent", logging.CRITICAL)
WINDOW = 32  # messages under way at once


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def untraced():
    server = await serve(echo, name="bench", tap=False)
    yield server.url
    await server.stop()


@contextlib.asynccontextmanager
async def debug_log():
    logger = logging.Logger("bench", logging.DEBUG)
    kept = []
    handler = logging.Handler()
    handler.emit = lambda record: kept.append(record.getMessage())
    logger.addHandler(handler)
    server = await serve(echo, name="bench", tap=False, logger=logger)
    yield server.url
    await server.stop()


@contextlib.asynccontextmanager
async def tap():
    server = await serve(echo, name="bench")
    yield server.url
    await server.stop()


@contextlib.asynccontextmanager
async def recording():
    server = await serve(echo, name="bench")
    with record(server):
        yield server.url
    await server.stop()


WAYS = {"untraced": untraced, "DEBUG log": debug_log, "tap": tap, "tap + recording": recording}


async def throughput(way, size, count):
    """Echoes per second of wall time and of CPU time."""
    payload = b"x" * size
    async with way() as url, websockets.connect(url, compression=None, max_size=None) as ws:
        for _ in range(20):
            await ws.send(payload)
            await ws.recv()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(WINDOW):
            await ws.send(payload)
        for _ in range(count - WINDOW):
            await ws.recv()
            await ws.send(payload)
        for _ in range(WINDOW):
            await ws.recv()
        return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def spread(values):
    return f"{statistics.median(values):8.2f}  ({min(values):.2f}–{max(values):.2f})"


def bench_recording():
    print(f"echo, {ROUNDS} interleaved rounds, {WINDOW} messages under way; ratio to untraced: median (min–max)\n")
    print(f"{'payload':>10}  {'way':<16}{'wall':>24}{'CPU':>26}   echoes/s")
    for size, count in SIZES.items():
        found = {name: [] for name in WAYS}
        for _ in range(ROUNDS):
            for name, way in WAYS.items():
                found[name].append(asyncio.run(throughput(way, size, count)))
        for name, rates in found.items():
            wall = [rate[0] / base[0] for rate, base in zip(rates, found["untraced"], strict=True)]
            cpu = [rate[1] / base[1] for rate, base in zip(rates, found["untraced"], strict=True)]
            speed = statistics.median(rate[0] for rate in rates)
            print(f"{size:>8} B  {name:<16}{spread(wall):>24}{spread(cpu):>26}   {speed:8.0f}")


class Bare(judge.Answer):
    """The learner's answer without the kit: no guard, no tap, no recording, everything on one loop."""

    def __init__(self, number, value):
        super().__init__(Case(number))
        self.value = value

    async def call(self, *args, within=2.0):
        result = self.value(*args)
        return await result if asyncio.iscoroutine(result) else result

    @contextlib.asynccontextmanager
    async def served(self, *collaborators, **options):
        running = set()

        async def handler(ws):
            running.add(ws)
            try:
                await self.value(ws, *collaborators)
            finally:
                running.discard(ws)

        async with websockets.serve(handler, "127.0.0.1", 0, compression=None, logger=SILENT) as server:
            yield BareServed(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", running)


class BareServed:
    def __init__(self, url, running):
        self.url, self.running = url, running

    async def connect(self, name=""):
        return await websockets.connect(self.url, compression=None)

    async def send(self, client, message):
        await client.send(message)

    async def receive(self, client, *_, **__):
        return await client.recv()

    async def ended(self, within):
        while self.running:
            await asyncio.sleep(0.001)
        return True

    async def raised(self):
        return ""


async def bare(number, value):
    for _, behaviour in judge._behaviours[number]:
        await behaviour(Bare(number, value))


def bench_check():
    print("\ncheck(...) of the reference beside the same behaviours run bare; ms: median (min–max)\n")
    for number in ("0.2", "2.2"):
        [value] = define(number, references()[number])
        catalogue.load_behaviours(number)
        times = {"bare": [], "check": []}
        for _ in range(ROUNDS):
            began = time.perf_counter()
            asyncio.run(bare(number, value))
            times["bare"].append(1000 * (time.perf_counter() - began))
            began = time.perf_counter()
            assert check(number, value).verdict.passed
            times["check"].append(1000 * (time.perf_counter() - began))
        more = statistics.median(times["check"]) - statistics.median(times["bare"])
        print(f"{number}   bare {spread(times['bare'])}   check {spread(times['check'])}   adds {more:.0f} ms")


if __name__ == "__main__":
    bench_recording()
    bench_check()
