"""The kit under faults: every row of the table with the tests that try it, and those that stand nowhere else.

`python tests/test_faults.py` prints the table; each row names a test by file and function.
"""

from __future__ import annotations

import ast
import asyncio
import errno
import gc
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import websockets
from kit import ROOT

from wslab import record, running_servers, serve
from wslab.errors import RecordingError

HERE = Path(__file__).parent
TABLE = {
    "Run All twice, restart and Run All, any cell again": [
        "test_kernel.py::test_run_all_twice_in_one_kernel",
        "test_lessons.py::test_stored_outputs_again_and_again",
        "test_server.py::test_same_name_replaces",
        "test_faults.py::test_no_more_servers_than_names",
    ],
    "out of order": ["test_kernel.py::test_out_of_order", "test_kernel.py::test_misuse_is_a_line_without_a_traceback"],
    "interrupt while an await runs": [
        "test_kernel.py::test_interrupt_while_a_cell_awaits",
        "test_kernel.py::test_interrupt_during_a_check",
    ],
    "handler blocks the loop": [
        "test_kernel.py::test_blocked_loop_is_freed_and_told",
        "test_watchdog.py::test_handler_that_blocks_the_loop_is_freed",
    ],
    "kill -9 of the kernel": [
        "test_engines.py::test_kill_9_leaves_nothing",
        "test_engines.py::test_kill_9_at_any_moment",
        "test_lessons.py::test_kill_9_in_the_middle_of_lesson_4",
        "test_faults.py::test_kill_9_of_a_server_frees_its_port",
    ],
    "stop() with a handler that never returns": [
        "test_server.py::test_stop_with_a_handler_that_never_returns",
        "test_server.py::test_stop_with_a_handler_that_swallows_cancellation",
        "test_engines.py::test_a_handler_that_never_returns_is_ended",
    ],
    "50 leaked clients": [
        "test_tap.py::test_fifty_leaked_clients",
        "test_faults.py::test_fifty_leaked_clients_of_a_hook",
    ],
    "8 notebooks in parallel": ["test_conditions.py::test_stored_outputs"],
    "port in use": ["test_faults.py::test_a_port_that_is_in_use"],
    "no write permission, read-only checkout": [
        "test_conditions.py::test_stored_outputs",
        "test_start.py::test_place_that_cannot_be_written",
        "test_state.py::test_folder_falls_back_where_nothing_can_be_written",
        "test_faults.py::test_a_recording_that_cannot_be_written",
    ],
    "disk full": [
        "test_state.py::test_replacing_keeps_the_old_file_where_the_disk_refuses",
        "test_engines.py::test_without_room_for_files_it_says_so",
        "test_faults.py::test_a_full_disk_leaves_the_old_recording",
    ],
    "paths with spaces, Unicode, over 200 characters": ["test_conditions.py::test_stored_outputs"],
    "http_proxy set": [
        "test_server.py::test_proxy_in_the_environment",
        "test_conditions.py::test_stored_outputs",
    ],
    "no Caddy, no NATS": ["test_engines.py::test_a_missing_engine_is_named", "test_lessons.py::test_without_engines"],
    "no Chromium": ["test_faults.py::test_without_chromium_tests_skip"],
    "no internet": ["test_faults.py::test_nothing_is_dialled_but_this_machine"],
    "corrupt notebook JSON": [
        "test_cli.py::test_check_survives_a_broken_notebook",
        "test_grading.py::test_what_is_no_notebook_is_unreadable",
        "test_cli.py::test_reset_repairs_a_broken_notebook",
    ],
    "Python 3.10": ["test_start.py::test_old_python"],
    "whatever writes a learner's file": [
        "test_state.py::test_kill_at_any_moment_leaves_a_whole_file",
        "test_state.py::test_backup_is_the_file_as_it_was",
        "test_upgrade.py::test_killed_at_any_moment_nothing_is_lost",
        "test_cli.py::test_reset_restores_and_keeps_the_learners_work",
    ],
}


def functions(path):
    """The tests in a file, each with its first line."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {node.name: (ast.get_docstring(node) or "").split("\n")[0] for node in nodes}


@pytest.mark.parametrize("row", TABLE)
def test_every_row_is_tried(row):
    """Each row of the table has tests, and they exist."""
    assert TABLE[row]
    for test in TABLE[row]:
        name, _, function = test.partition("::")
        assert function in functions(HERE / name), test


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def test_no_more_servers_than_names():
    """The same cell ten times over, interrupted in between or not: as many servers as names, and no port left."""
    before = len(running_servers())
    for turn in range(10):
        starting = [asyncio.ensure_future(serve(echo, name=name)) for name in ("one", "two")]
        if turn % 3 == 1:
            await asyncio.sleep(0)
            starting[0].cancel()
        servers = await asyncio.gather(*starting, return_exceptions=True)
        assert len(running_servers()) - before <= 2
    ports = [c.laddr.port for c in psutil.Process().net_connections("tcp") if c.status == "LISTEN"]
    for server in [server for server in servers if not isinstance(server, BaseException)]:
        await server.stop()
    left = [c.laddr.port for c in psutil.Process().net_connections("tcp") if c.status == "LISTEN"]
    assert len(running_servers()) == before and len(ports) - len(left) == 4 and not left


KERNEL = """
import asyncio, sys, websockets
from wslab import serve

async def echo(ws):
    async for message in ws:
        await ws.send(message)

async def main():
    server = await serve(echo, hook=sys.argv[1] == "hook")
    print(server.url, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["tap", "hook"])
def test_kill_9_of_a_server_frees_its_port(how):
    """Within a second after `kill -9` nothing listens any more, and another server gets that very port."""
    process = subprocess.Popen([sys.executable, "-c", KERNEL, how], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    port = int(process.stdout.readline().rpartition(":")[2])
    process.kill()
    process.wait(1)
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_fifty_leaked_clients_of_a_hook():
    """Fifty clients that nobody closes: after `stop()` the file descriptors are back to the base line."""
    process = psutil.Process()
    server = await serve(echo, hook=True)
    await server.stop()
    gc.collect()
    before = process.num_fds()
    server = await serve(echo, hook=True)
    with record(server):
        clients = [await websockets.connect(server.url) for _ in range(50)]
        await server.stop()
    for client in clients:
        await client.wait_closed()
    del clients, client
    gc.collect()
    assert process.num_fds() <= before


async def test_a_port_that_is_in_use():
    """Every server asks for a free port, so one in use is nobody's obstacle; who insists on it is told in one line."""
    server = await serve(echo)
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await websockets.serve(echo, "127.0.0.1", port)
    again = await serve(echo, name="Another")
    assert again.url != server.url
    for one in (server, again):
        await one.stop()


async def recorded():
    server = await serve(echo)
    with record(server) as recording:
        async with websockets.connect(server.url) as ws:
            await ws.send("hello")
            await ws.recv()
    await server.stop()
    return recording


async def test_a_recording_that_cannot_be_written(tmp_path):
    """Where there is no folder, or no right to write, saving says so, and nothing is left."""
    recording = await recorded()
    with pytest.raises(RecordingError, match=r"one\.jsonl cannot be written \(No such file.*\): save it else"):
        recording.save(tmp_path / "missing" / "one.jsonl")
    assert list(tmp_path.iterdir()) == []


async def test_a_full_disk_leaves_the_old_recording(tmp_path, monkeypatch):
    """A disk that is full in the middle of saving leaves what was there, and no draft."""
    recording, path = await recorded(), tmp_path / "one.jsonl"
    recording.save(path)
    before = path.read_bytes()

    def full(self, data):
        with open(self, "wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RecordingError, match="No space left on device"):
        recording.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_without_chromium_tests_skip(tmp_path):
    """Where there is no Chromium the browser's tests skip with the reason, and nothing fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "test_browser.py")]
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and "no Chromium is installed" in done.stdout and "passed" not in done.stdout


ONLY_HERE = """
import asyncio, socket, websockets
real = socket.socket.connect

def connect(self, address):
    assert self.family == socket.AF_UNIX or address[0] == "127.0.0.1", address
    return real(self, address)

def resolve(host, *args, **named):
    assert host in ("127.0.0.1", None), host
    return found(host, *args, **named)

found = socket.getaddrinfo
socket.socket.connect, socket.getaddrinfo = connect, resolve
import wslab
from wslab import record, serve, check, hint, charts

async def echo(ws):
    async for message in ws:
        await ws.send(message)

async def main():
    server = await serve(echo)
    with record(server) as recording:
        async with websockets.connect(server.url) as ws:
            await ws.send("hello")
            print(await ws.recv())
        await recording.settled()
    recording._repr_mimebundle_()
    await server.stop()

asyncio.run(main())
"""


def test_nothing_is_dialled_but_this_machine():
    """With every way to the outside closed, and no names resolved, all goes as ever."""
    apart = ["unshare", "--net", "--map-root-user"]  # a network of its own, where that is allowed
    if not (shutil.which("ip") and shutil.which("unshare")) or subprocess.run([*apart, "true"]).returncode:
        apart = []
    up = "import subprocess; subprocess.run(['ip', 'link', 'set', 'lo', 'up'])\n"
    command = [*apart, sys.executable, "-c", up + ONLY_HERE] if apart else [sys.executable, "-c", ONLY_HERE]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout.strip()) == (0, "hello"), done.stderr


def main():
    """Print the table."""
    known = {path.name: functions(path) for path in HERE.glob("test_*.py")}
    for row, tests in TABLE.items():
        print(row)
        for test in tests:
            name, _, function = test.partition("::")
            print(f"    {test}\n        {known[name][function]}")


if __name__ == "__main__":
    main()
