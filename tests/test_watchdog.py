"""Code that does not let its loop turn is found, named and freed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time

import pytest
from websockets import ConnectionClosed, connect

from wslab import serve, watchdog
from wslab.guard import Guard, Starved


def run(guard: Guard, function):
    """Run `function` under `guard`, looking as the judge does."""
    future = guard.run(function)
    deadline = time.monotonic() + 8
    while not future.done() and time.monotonic() < deadline:
        time.sleep(0.01)
        guard.look()
    return future


async def spin():
    while True:
        pass


async def spin_and_catch():
    while True:
        try:
            raise ValueError
        except Exception:
            pass


async def stand():
    time.sleep(0.3)
    return "done"


async def work():
    for _ in range(5):
        await asyncio.sleep(0.01)
    return "done"


def test_good_code_runs_undisturbed():
    """A coroutine that waits politely returns its value, and nothing is held against it."""
    with Guard() as guard:
        assert run(guard, work).result(0) == "done"
    assert (guard.starved, guard.lost, guard.complaints) == (0, False, [])


@pytest.mark.parametrize("function", [spin, spin_and_catch])
def test_endless_loop_is_ended_and_named(function):
    """An endless loop is ended after a second, and its line is known."""
    with Guard() as guard:
        future = run(guard, function)
        assert isinstance(future.exception(0), Starved)
    assert guard.starved == 1
    assert function.__name__ in guard.place
    assert "test_watchdog.py" in guard.place
    assert not guard.lost


def test_blocking_call_is_measured_and_let_go_on():
    """A short time.sleep is no starvation, but it is measured."""
    with Guard() as guard:
        assert run(guard, stand).result(0) == "done"
    assert guard.starved == 0
    assert 0.2 < guard.blocked_s < 0.9
    assert "stand" in guard.place


def test_injections_count_anew_after_the_loop_turned():
    """Several endless loops, one after the other, are each ended."""
    with Guard() as guard:
        for expected in (1, 2):
            assert isinstance(run(guard, spin).exception(0), Starved)
            assert guard.starved == expected


def test_code_that_cannot_be_ended_is_given_up():
    """A bare except that swallows everything does not hang the judge: the guard gives up and says so."""
    freed = threading.Event()

    async def stubborn():
        while not freed.is_set():
            try:
                while not freed.is_set():
                    pass
            except:  # noqa: E722
                continue

    began = time.monotonic()
    guard = Guard()
    with guard:
        future = guard.run(stubborn)
        while guard.starved < 2:
            time.sleep(0.01)
            guard.look()
    assert time.monotonic() - began < 6
    assert guard.lost
    freed.set()
    future.exception(2)


def test_tasks_left_behind_are_cancelled():
    """Leaving the guard ends what the code left running."""
    cancelled = threading.Event()

    async def leave_a_task():
        async def forever():
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        guard.kept = asyncio.create_task(forever())
        await asyncio.sleep(0)

    with Guard() as guard:
        run(guard, leave_a_task).result(0)
    assert cancelled.is_set()
    assert not guard.lost


@pytest.mark.parametrize("way", ["spin", "sleep"])
async def test_handler_that_blocks_the_loop_is_freed(way, capfd):
    """A handler that blocks the notebook's loop is ended within three seconds, its line told; the server lives on."""

    async def handler(ws):
        async for message in ws:
            if message == "spin":
                while True:
                    pass
            if message == "sleep":
                time.sleep(30)
            await ws.send(message)

    server = await serve(handler)
    try:
        began = time.monotonic()
        async with connect(server.url) as ws:
            await ws.send(way)
            with pytest.raises(ConnectionClosed):
                await ws.recv()
        assert ws.close_code == 1011
        assert time.monotonic() - began < 3
        async with connect(server.url) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
        assert "blocked the event loop" in str(server.errors[0])
        assert "in handler()" in str(server.errors[0])
        assert "test_watchdog.py" in capfd.readouterr().err
    finally:
        await server.stop()


async def test_nothing_is_left_after_the_last_server():
    """The ticker ends with the last server on its loop."""
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()

    async def handler(ws):
        await ws.wait_closed()

    first, second = await serve(handler, name="first"), await serve(handler, name="second")
    assert loop in watchdog._tickers
    await first.stop()
    assert loop in watchdog._tickers
    await second.stop()
    assert loop not in watchdog._tickers
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


LATE = """
import asyncio, os, signal
from wslab import serve

async def handler(ws):
    await ws.wait_closed()

async def main():
    await (await serve(handler)).stop()
    os.kill(os.getpid(), signal.SIGUSR1)

asyncio.run(main())
print("lives")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no such signal")
def test_a_late_signal_is_harmless():
    """Sent when its handler has just yielded and all servers are stopped, it does not end the process."""
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "lives\n")


BUSY = """
import asyncio, time
from websockets import connect
from wslab import serve

async def echo(ws):
    async for message in ws:
        deadline = time.monotonic() + 0.02
        while time.monotonic() < deadline:
            pass
        await ws.send(message)

async def main():
    server = await serve(echo)
    print("ready", flush=True)
    async with connect(server.url) as ws:
        for _ in range(200):
            await ws.send("hello")
            await ws.recv()
    print(*server.errors)
    await server.stop()

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows has no such signal")
def test_a_process_that_stood_still_did_not_block(capfd):
    """A busy server whose whole process stands still for a while, as when a machine is paused, is not ended."""
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)
    process.send_signal(signal.SIGSTOP)
    time.sleep(watchdog.BLOCKED_S + 0.5)
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=60)[0] == "\n"
    assert process.returncode == 0
    assert "blocked" not in capfd.readouterr().err
