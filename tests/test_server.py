"""`serve` starts a server that only this machine can reach, and that always stops."""

import asyncio
import contextlib
import functools
import logging
import os
import socket
import threading
import time

import pytest
import websockets
from websockets import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as connect_sync

from wslab.errors import LabError
from wslab.recording import record
from wslab.server import running_servers, serve
from wslab.trace import Kind

KEY = (
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@pytest.fixture
async def start():
    """Like `serve`; what it started is stopped at the end of the test."""
    servers = []

    async def start(*args, **kwargs):
        servers.append(await serve(*args, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        await server.stop()


def port(server):
    return int(server.url.rpartition(":")[2])


async def status(server, headers, path="/"):
    """The status line with which the server answers an opening request with these header lines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
    writer.write(f"GET {path} HTTP/1.1\r\n{headers}{KEY}\r\n".encode())
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return int(line.split()[1])


async def refused(server):
    """Does nobody listen at the server's address any more?"""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port(server))
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def seconds(awaitable):
    began = time.perf_counter()
    await awaitable
    return time.perf_counter() - began


# Where it listens


async def test_loopback_only(start):
    """Server and tap listen on 127.0.0.1, on free ports, and nowhere else."""
    one, two = await start(echo, name="one"), await start(echo, name="two")
    for server in (one, two):
        listening = [*server.library.sockets, *server.tap._listener.sockets]
        assert [sock.getsockname()[0] for sock in listening] == ["127.0.0.1"] * 2
    assert (
        len(
            {sock.getsockname()[1] for server in (one, two) for sock in server.library.sockets} | {port(one), port(two)}
        )
        == 4
    )
    assert one.url == f"ws://127.0.0.1:{one.tap.port}"
    with pytest.raises(OSError):
        socket.create_connection((socket.gethostbyname(socket.gethostname()), port(one)), 0.2).close()
        assert socket.gethostbyname(socket.gethostname()).startswith("127.")  # then it says nothing
        raise OSError


async def test_echo_through_the_tap(start):
    """The address is the tap's; without a tap it is the server's own."""
    for tap in (True, False):
        server = await start(echo, tap=tap)
        assert (server.tap is not None) is tap
        async with connect(server.url) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
            assert len(server.connections) == 1


async def test_compression_is_off(start):
    """Compression is not agreed unless the lesson asks for it."""
    for options, agreed in (({}, False), ({"compression": "deflate"}, True)):
        server = await start(echo, **options)
        async with connect(server.url) as ws:
            assert ("Sec-WebSocket-Extensions" in ws.response.headers) is agreed


async def test_proxy_in_the_environment(start, monkeypatch):
    """A proxy that is set for the machine does not divert clients of the lesson."""
    monkeypatch.setenv("no_proxy", "example.com, 10.0.0.1")
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "socks_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for _ in range(2):
        server = await start(echo)
    async with connect(server.url) as ws:
        await ws.send("hello")
        assert await ws.recv() == "hello"
    assert os.environ["no_proxy"] == "example.com, 10.0.0.1,127.0.0.1"
    monkeypatch.setenv("NO_PROXY", "")


# What may be a handler


async def test_handlers(start):
    """Whatever is called like an async function is a handler."""

    class Echo:
        async def __call__(self, ws):
            await echo(ws)

        async def method(self, ws):
            await echo(ws)

    async def greet(greeting, ws):
        await ws.send(greeting)

    for handler, answer in ((Echo(), "x"), (Echo().method, "x"), (functools.partial(greet, "hi"), "hi")):
        server = await start(handler)
        async with connect(server.url) as ws:
            await ws.send("x")
            assert await ws.recv() == answer


@pytest.mark.parametrize(("handler", "name"), [(lambda ws: None, "<lambda>"), (print, "print"), (3, "int")])
async def test_no_handler(handler, name):
    """What is no coroutine function is refused with the remedy, and nothing was started."""
    before = running_servers()
    with pytest.raises(LabError) as error:
        await serve(handler)
    assert str(error.value) == f"a handler must be written with 'async def', and {name} is not: put async before def"
    assert running_servers() == before


async def test_wrong_option():
    """An option that does not exist is an error, and no thread stays."""
    threads = set(threading.enumerate())
    for background in (False, True):
        with pytest.raises(TypeError):
            await serve(echo, colour="red", background=background)
    assert not [thread for thread in set(threading.enumerate()) - threads if thread.name.startswith("server")]


# Running again


async def test_same_name_replaces(start):
    """Serving again under a name stops the former server and its clients; other names go on."""
    other = await start(echo, name="other")
    former = await start(echo)
    async with connect(former.url) as ws:
        server = await start(echo)
        with pytest.raises(ConnectionClosed):
            await ws.recv()
    assert await refused(former) and not former.running and server.running and other.running
    assert [s for s in running_servers() if s in (other, former, server)] == [other, server]
    assert repr(former) == "<Server 'Server': stopped>" and repr(server) == "<Server 'Server': running>"


async def test_same_name_on_another_loop(start):
    """A server of the same name on another loop, such as a check's, is another server."""
    server = await start(echo)

    async def elsewhere():
        other = await serve(echo)
        assert server.running and other.running
        await other.stop()

    await asyncio.to_thread(asyncio.run, elsewhere())
    assert server.running


def test_after_a_loop_has_gone():
    """A server whose loop is closed does not stand in the way of the next one."""
    servers = [asyncio.run(serve(echo)) for _ in range(3)]
    assert servers[1] not in running_servers()

    async def stop():
        await servers[-1].stop()

    asyncio.run(stop())


# Stopping


async def test_stop(start):
    """Clients are closed with the code and reason that were asked for; stopping twice does no harm."""
    server = await start(echo)
    with record(server) as recording:
        clients = [await connect(f"{server.url}/?name={name}") for name in ("ada", "bob")]
        assert await seconds(server.stop(1012, "back soon")) < 0.5
        await server.stop()
    for client in clients:
        await client.wait_closed()
        assert (client.close_code, client.close_reason) == (1012, "back soon")
    assert await refused(server)
    ends = [(event.connection, event.up, event.note) for event in recording.trace if event.kind is Kind.END]
    assert sorted(ends) == [("ada", False, "FIN"), ("bob", False, "FIN")]


async def test_stop_with_a_handler_that_never_returns(start):
    """A handler that waits for ever is cancelled."""
    ended = []

    async def handler(ws):
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    server = await start(handler)
    async with connect(server.url):
        assert await seconds(server.stop()) < 2
    assert ended == ["cancelled"] and await refused(server)


async def test_stop_with_a_handler_that_swallows_cancellation(start):
    """A handler that goes on when it is cancelled does not hold `stop()` up."""
    release = asyncio.Event()
    swallowed = []

    async def handler(ws):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                swallowed.append(1)

    server = await start(handler)
    async with connect(server.url):
        assert await seconds(server.stop()) < 2
    assert swallowed and await refused(server)
    release.set()


async def test_stop_with_a_handler_that_swallows_one_cancellation(start):
    """A handler that needs to be cancelled twice is cancelled twice."""
    done = asyncio.Event()

    async def handler(ws):
        try:
            for _ in range(2):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.get_running_loop().create_future()
        finally:
            done.set()

    server = await start(handler)
    async with connect(server.url):
        assert await seconds(server.stop()) < 2
    assert done.is_set()


async def test_stop_with_a_client_that_does_not_answer(start):
    """A client that never answers the close frame, or never finished its handshake, does not hold `stop()` up."""
    server = await start(echo)
    opened = await asyncio.open_connection("127.0.0.1", port(server))
    opened[1].write(f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{KEY}\r\n".encode())
    await opened[0].readuntil(b"\r\n\r\n")
    silent = await asyncio.open_connection("127.0.0.1", port(server))
    assert await seconds(server.stop()) < 2
    for reader, writer in (opened, silent):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(100), 1)
        writer.close()


async def test_stop_during_a_handshake(start):
    """Without a tap as well, a client that never sends its request is gone when `stop()` returns."""
    server = await start(echo, tap=False)
    reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
    while not server.all_connections:
        await asyncio.sleep(0)
    await server.stop()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 1)
    writer.close()


async def test_stop_in_a_blackhole(start):
    """A client whose bytes all vanish does not hold `stop()` up."""
    server = await start(echo)
    async with connect(server.url):
        server.tap.blackhole()
        assert await seconds(server.stop()) < 2


async def test_stop_from_another_thread(start):
    """A server can be stopped from a thread with a loop of its own."""
    server = await start(echo)
    await asyncio.to_thread(lambda: asyncio.run(server.stop()))
    assert await refused(server)


# On a thread


def test_background():
    """A server on a thread answers a synchronous client on the main thread, with no loop running there."""
    server = asyncio.run(serve(echo, name="background", background=True))
    with record(server) as recording, connect_sync(f"{server.url}/?name=ada") as ws:
        ws.send("hello")
        assert ws.recv(timeout=5) == "hello"
    assert [event.text for event in recording.trace if event.kind is Kind.TEXT] == ["hello", "hello"]
    assert server in running_servers()
    asyncio.run(server.stop())
    assert "server background" not in [thread.name for thread in threading.enumerate()]
    assert server.loop.is_closed()


async def test_background_stop_with_a_blocked_loop(start):
    """A handler that blocks the thread does not hold `stop()` up."""
    blocked, release = threading.Event(), threading.Event()

    async def handler(ws):
        blocked.set()
        release.wait(10)

    server = await start(handler, background=True)
    client = asyncio.create_task(connect(server.url).__aenter__())
    await asyncio.to_thread(blocked.wait, 5)
    assert await seconds(server.stop()) < 2.3
    release.set()
    (await client).transport.abort()
    await asyncio.to_thread(server._thread._thread.join, 5)
    assert server.loop.is_closed()


# Who may come in


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8888", "localhost:1", "LOCALHOST", "[::1]:9"])
async def test_host_of_this_machine(start, host):
    """A Host of this machine is answered."""
    assert await status(await start(echo), f"Host: {host}\r\n") == 101


@pytest.mark.parametrize(
    "hosts",
    [
        "Host: evil.example\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Host: localhost.evil.example:80\r\n",
        "Host: evil.example@127.0.0.1\r\n",
        "Host: 127.0.0.1:80@evil.example\r\n",
        "Host: 127.0.0.10\r\n",
        "Host: \r\n",
        "",
        "Host: 127.0.0.1\r\nHost: evil.example\r\n",
    ],
)
async def test_foreign_host(start, hosts):
    """A Host of another machine, which is DNS rebinding, is refused; so are none and two."""
    server = await start(echo)
    assert await status(server, hosts) == 403
    assert server.errors == []


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:8888", "https://localhost", "http://[::1]:1", "http://LOCALHOST:1"]
)
async def test_origin_of_this_machine(start, origin):
    """A page of this machine may connect, at any port."""
    assert await status(await start(echo), f"Host: 127.0.0.1\r\nOrigin: {origin}\r\n") == 101


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1:80.evil.example",
        "http://evil.example/http://127.0.0.1",
        "http://127.0.0.1@evil.example",
        "http://evil.example#http://localhost",
        "file://127.0.0.1",
        "null",
        "",
    ],
)
async def test_foreign_origin(start, origin):
    """A page of another machine may not, whatever its address begins with; nor one that hides its origin."""
    assert await status(await start(echo), f"Host: 127.0.0.1\r\nOrigin: {origin}\r\n") == 403


async def test_process_request_of_the_lesson(start):
    """A lesson's own `process_request` is asked after the kit's, written with or without async."""
    asked = []

    def plain(connection, request):
        asked.append(request.path)
        if request.path == "/no":
            return connection.respond(401, "no\n")

    async def waiting(connection, request):
        await asyncio.sleep(0)
        return plain(connection, request)

    for process_request in (plain, waiting):
        server = await start(echo, process_request=process_request)
        async with connect(f"{server.url}/yes"):
            pass
        with pytest.raises(InvalidStatus) as error:
            await connect(f"{server.url}/no")
        assert error.value.response.status_code == 401
        assert await status(server, "Host: evil.example\r\n", "/evil") == 403
    assert asked == ["/yes", "/no"] * 2


async def test_connection_class_of_the_lesson(start):
    """A lesson may bring a connection class of its own; then nothing is linked, and everything else works."""
    server = await start(echo, create_connection=websockets.ServerConnection)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
    assert [event.cause for event in recording.trace if event.kind is Kind.TEXT] == [None, None]


# Errors of handlers


async def test_error_of_a_handler(start, capfd, caplog):
    """An exception that leaves a handler is kept, recorded as a log line, closes with 1011, and is printed nowhere."""
    caplog.set_level(logging.DEBUG)

    async def handler(ws):
        await ws.recv()
        raise ValueError("a\nb")

    server = await start(handler)
    with record(server) as recording:
        ws = await connect(f"{server.url}/?name=ada")
        await ws.send("x")
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        await recording.settled()
    assert (ws.close_code, ws.close_reason) == (1011, "")
    assert [repr(error) for error in server.errors] == ["ValueError('a\\nb')"]
    (line,) = [row.event for row in recording.rows if row.event.kind is Kind.LOG]
    assert line.text == "ERROR connection handler failed: ValueError: a\nb"
    assert (line.source, line.target, line.connection, line.cause.message) == ("Server", "Log", "ada", 0)
    kinds = [row.event.kind for row in recording.rows]
    assert kinds.index(Kind.TEXT) < kinds.index(Kind.CLOSE) < kinds.index(Kind.LOG)  # as the library does it
    assert capfd.readouterr() == ("", "")
    assert "wslab" not in caplog.text and "handler failed" not in caplog.text


async def test_bytes_that_break_the_rules(start, capfd):
    """A client that breaks the rules is closed with the code of the rule, without a word on stderr."""
    server = await start(echo)
    for raw, code in ((b"\x81\x05Hello", 1002), (b"\xc1\x80\0\0\0\0", 1002), (b"\x81\x81\0\0\0\0\xff", 1007)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{KEY}\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        close = await asyncio.wait_for(reader.read(), 5)
        assert close[0] == 0x88 and int.from_bytes(close[2:4]) == code
        writer.close()
    assert capfd.readouterr() == ("", "")
