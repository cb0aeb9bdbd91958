"""The tap passes every byte on, records what it passes, and injects faults."""

import asyncio
import gc
import os
import random
import socket
import struct
import time

import pytest
from test_decode import GET, SWITCH, masked
from websockets import connect

from wslab.cause import links
from wslab.relay import HELD_BYTES
from wslab.server import serve
from wslab.tap import Tap
from wslab.trace import Kind, Trace, begin, finish

WAIT_S = 5.0


class Peer:
    """A raw TCP connection: what arrived, and how it ended."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def write(self, data):
        self.writer.write(data)

    async def read(self, n):
        return await asyncio.wait_for(self.reader.readexactly(n), WAIT_S)

    async def end(self):
        """How the other side ended: "FIN" or "RST", and the bytes before."""
        try:
            return "FIN", await asyncio.wait_for(self.reader.read(), WAIT_S)
        except ConnectionResetError:
            return "RST", b""

    def reset(self):
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self):
        self.writer.close()


class Bench:
    """A raw server behind a tap."""

    def __init__(self):
        self.accepted = asyncio.Queue()
        self.peers = []
        self.trace = Trace()

    async def start(self):
        self.listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 26)
        self.target = self.listener.sockets[0].getsockname()
        self.tap = await Tap(*self.target).start()
        begin(self.trace)
        return self

    def _accept(self, reader, writer):
        self.accepted.put_nowait(Peer(reader, writer))

    async def pair(self):
        """A client and the server's end of its connection."""
        client = Peer(*await asyncio.open_connection("127.0.0.1", self.tap.port, limit=1 << 26))
        server = await asyncio.wait_for(self.accepted.get(), WAIT_S)
        self.peers += [client, server]
        return client, server

    async def opened(self, name="ada"):
        """The same, after an opening handshake."""
        client, server = await self.pair()
        request = GET.replace(b"name=ada", b"name=" + name.encode())
        client.write(request)
        assert await server.read(len(request)) == request
        server.write(SWITCH)
        assert await client.read(len(SWITCH)) == SWITCH
        return client, server

    async def gone(self):
        """Wait until the tap has forgotten every connection."""
        await asyncio.wait_for(self.tap.drained(), WAIT_S)

    async def stop(self):
        finish(self.trace)
        self.tap.close()
        self.listener.close()
        for peer in self.peers:
            peer.writer.transport.abort()
        await asyncio.sleep(0)

    def seen(self):
        return [(event.kind, event.source, event.text or event.note) for event in self.trace]


@pytest.fixture
async def bench():
    """A bench that is taken down at the end of the test."""
    bench = await Bench().start()
    yield bench
    await bench.stop()


def descriptors():
    return len(os.listdir("/proc/self/fd"))


# Byte for byte


@pytest.mark.parametrize("disturb", [None, "shake", "delay"])
async def test_any_bytes_both_ways(bench, disturb):
    """Random bytes cross unchanged in both directions, with the tap shaken or slow as well."""
    if disturb == "shake":
        bench.tap.shake(1)
    elif disturb == "delay":
        bench.tap.delay(0.005)
    client, server = await bench.pair()
    up, down = random.Random(1).randbytes(300_000), random.Random(2).randbytes(300_000)
    for start in range(0, 300_000, 50_000):
        client.write(up[start : start + 50_000])
        server.write(down[start : start + 50_000])
        await asyncio.sleep(0)
    assert await server.read(len(up)) == up
    assert await client.read(len(down)) == down


async def test_large(bench):
    """20 MB cross unchanged."""
    client, server = await bench.pair()
    data = random.Random(3).randbytes(1 << 20) * 20
    client.write(data)
    assert await server.read(len(data)) == data


async def test_recorded_before_passed_on(bench):
    """What a receiver has read is in the trace."""
    client, server = await bench.opened()
    frame = masked(0x81, b"Hello")
    client.write(frame)
    await server.read(len(frame))
    event = bench.trace.events[-1]
    assert (event.kind, event.text, event.raw) == (Kind.TEXT, "Hello", frame)
    assert (event.source, event.target, event.connection, event.tap) == ("ada", "Server", "ada", "Server")
    assert [event.number for event in bench.trace] == [0, 1, 2]


@pytest.mark.parametrize("disturb", [False, True])
async def test_slow_reader(bench, disturb):
    """The tap stops reading from who writes faster than the other side reads; nothing is lost."""
    if disturb:
        bench.tap.shake(1)
    client, server = await bench.pair()
    server.reader._limit = 1 << 16  # asyncio stops reading at twice this
    data = random.Random(4).randbytes(1 << 20) * 64
    client.write(data)
    (connection,) = bench.tap.connections
    held = 0
    while True:
        before = client.writer.transport.get_write_buffer_size()
        await asyncio.sleep(0.05)
        held = max(held, connection.server.transport.get_write_buffer_size() + connection.client._held)
        if client.writer.transport.get_write_buffer_size() == before:
            break
    assert before > 0 and held < 4 * HELD_BYTES
    received = 0
    while received < len(data):
        part = await asyncio.wait_for(server.reader.read(1 << 20), WAIT_S)
        assert part == data[received : received + len(part)]
        received += len(part)


# How TCP ends


async def test_half_close(bench):
    """A FIN is passed on, and the other direction stays open."""
    client, server = await bench.opened()
    client.writer.write_eof()
    assert await server.end() == ("FIN", b"")
    assert "half closed" in bench.tap.pending()
    server.write(b"\x81\x02hi")
    assert await client.read(4) == b"\x81\x02hi"
    server.close()
    assert await client.end() == ("FIN", b"")
    client.close()
    await bench.gone()
    assert bench.seen()[2:] == [(Kind.END, "ada", "FIN"), (Kind.TEXT, "Server", "hi")]


@pytest.mark.parametrize("who", ["client", "server"])
async def test_reset(bench, who):
    """A RST is passed on as a RST, and recorded as coming from who sent it."""
    client, server = await bench.opened()
    one, other = (client, server) if who == "client" else (server, client)
    one.reset()
    assert await other.end() == ("RST", b"")
    await bench.gone()
    assert bench.seen()[2:] == [(Kind.END, "ada" if who == "client" else "Server", "RST")]


async def test_reset_in_the_middle_of_frames(bench):
    """Half a frame in either direction is recorded when the connection is reset."""
    client, server = await bench.opened()
    client.write(masked(0x81, b"Hello")[:8])
    server.write(b"\x81\x05He")
    await server.read(8)
    await client.read(4)
    client.reset()
    await bench.gone()
    assert [(kind, source) for kind, source, _ in bench.seen()[2:]] == [
        (Kind.INVALID, "ada"),
        (Kind.INVALID, "Server"),
        (Kind.END, "ada"),
    ]


async def test_server_is_not_there(bench):
    """A client whose server cannot be reached is reset, and that is recorded."""
    bench.listener.close()
    await bench.listener.wait_closed()
    client = Peer(*await asyncio.open_connection("127.0.0.1", bench.tap.port))
    client.write(GET)
    bench.peers.append(client)
    assert (await client.end())[0] == "RST"
    await bench.gone()
    assert bench.seen() == [(Kind.END, "Server", "RST")]


async def test_client_goes_while_the_tap_dials(bench):
    """A client that is gone before the server answered leaves nothing behind."""
    before = dict(links)
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", bench.tap.port)
        Peer(None, writer).reset()
    _, server = await bench.pair()
    bench.peers[-2].close()
    await server.end()
    server.close()
    while not bench.accepted.empty():
        bench.peers.append(bench.accepted.get_nowait())
    for peer in bench.peers:
        peer.close()
    await bench.gone()
    assert links == before


# Faults


async def test_cut(bench):
    """A cut resets both sides at once; other connections go on."""
    ada, ada_server = await bench.opened("ada")
    bob, bob_server = await bench.opened("bob")
    bench.tap.cut("ada")
    assert (await ada.end())[0] == (await ada_server.end())[0] == "RST"
    bob.write(b"x")
    assert await bob_server.read(1) == b"x"
    assert bench.seen()[-1] == (Kind.END, "ada", "cut")
    assert [connection.link.name for connection in bench.tap.connections] == ["bob"]


async def test_cut_of_a_shaken_tap(bench):
    """What the tap holds back when it is cut was read before, and is recorded before the cut."""
    client, server = await bench.opened()
    bench.tap.delay(10)
    client.write(masked(0x81, b"Hello"))
    server.write(b"\x81\x02hi")
    (connection,) = bench.tap.connections
    async with asyncio.timeout(WAIT_S):
        while not (connection.client._queue and connection.server._queue):
            await asyncio.sleep(0)
    bench.tap.cut()
    assert [text for _, _, text in bench.seen()[2:]] == ["Hello", "hi", "cut"]


async def test_idle(bench):
    """Whatever no byte crosses for that long is cut; each byte, in either direction, begins the time anew."""
    ada, ada_server = await bench.opened("ada")
    bench.tap.idle(0.2)
    bob, bob_server = await bench.opened("bob")
    ended = asyncio.create_task(bob.end())
    while not ended.done():
        for sender, receiver in ((ada, ada_server), (ada_server, ada)):
            sender.write(b"\x8a\x00")  # a pong that nobody asked for
            assert await receiver.read(2) == b"\x8a\x00"
            await asyncio.wait([ended], timeout=0.02)
    assert (await ended)[0] == (await bob_server.end())[0] == "RST"
    assert (Kind.END, "bob", "cut") in bench.seen()
    bench.tap.idle(None)
    assert [connection.link.name for connection in bench.tap.connections] == ["ada"]


async def test_blackhole(bench):
    """In a black hole every byte vanishes, the end of TCP too; it is recorded as lost."""
    client, server = await bench.opened()
    bench.tap.blackhole("ada")
    client.write(masked(0x81, b"Hello"))
    client.writer.write_eof()
    async with asyncio.timeout(WAIT_S):
        while len(bench.trace) < 4:
            await asyncio.sleep(0)
    assert [(event.kind, event.lost) for event in bench.trace.events[1:]] == [
        (Kind.RESPONSE, False),
        (Kind.TEXT, True),
        (Kind.END, True),
    ]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(server.reader.read(1), 0.05)
    assert bench.tap.pending() == ""
    server.writer.write_eof()
    await bench.gone()


async def test_reset_in_a_blackhole(bench):
    """Nobody is told of a reset either."""
    client, server = await bench.opened()
    bench.tap.blackhole()
    client.reset()
    async with asyncio.timeout(WAIT_S):
        while bench.seen()[-1][0] is not Kind.END:
            await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(server.reader.read(1), 0.05)
    server.reset()
    await bench.gone()


async def test_delay(bench):
    """A delay holds every chunk back for its time, recording included."""
    client, server = await bench.opened()
    bench.tap.delay(0.05)
    began = time.perf_counter()
    client.write(masked(0x81, b"one"))
    assert bench.tap.pending() == ""
    await server.read(9)
    assert time.perf_counter() - began >= 0.05
    assert bench.trace.events[-1].at - bench.trace.events[-2].at >= 0.04
    bench.tap.delay(0)
    client.write(b"x")
    assert await server.read(1) == b"x"


async def test_shake(bench):
    """A shaken tap holds chunks back for random times, in order; the same seed gives the same times."""
    bench.tap.shake(7)
    first = [bench.tap.hold() for _ in range(5)]
    bench.tap.shake(7)
    assert [bench.tap.hold() for _ in range(5)] == first and 0 < min(first) < max(first) <= 0.012
    client, server = await bench.pair()
    for i in range(30):
        client.write(b"%02d" % i)
        await asyncio.sleep(0.001)
    assert await server.read(60) == b"".join(b"%02d" % i for i in range(30))
    bench.tap.shake(None)
    assert bench.tap.hold() == 0


def test_shake_by_the_environment(monkeypatch):
    """WSLAB_SHAKE shakes every new tap."""
    monkeypatch.setenv("WSLAB_SHAKE", "0")
    assert Tap("127.0.0.1", 1).hold() > 0


# Decoding


async def test_bytes_that_break_the_decoder(bench):
    """Bytes on which the library's own decompression fails do not stop the relay; the recording says so, once."""
    client, server = await bench.pair()
    client.write(GET)
    await server.read(len(GET))
    agreed = b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n"
    server.write(SWITCH[:-2] + agreed)
    await client.read(len(SWITCH) - 2 + len(agreed))
    # A compressed message within a compressed message, which must not be: 4a0400 is "a", deflated.
    frames = b"\x41\x03\x4a\x04\x00\xc1\x03\x4a\x04\x00\x80\x03\x4a\x04\x00"
    server.write(frames)
    assert await client.read(len(frames)) == frames
    server.write(b"\x81\x02hi" * 1000)
    assert await client.read(4000) == b"\x81\x02hi" * 1000
    notes = [event.note for event in bench.trace if event.kind is Kind.INVALID]
    assert notes == ["not decoded from here on: AttributeError"]
    assert bench.trace.events[-1].raw == b""


async def test_bytes_that_are_no_http(bench):
    """What is no HTTP at all is relayed all the same."""
    client, server = await bench.pair()
    client.write(b"EHLO there\r\n")
    assert await server.read(12) == b"EHLO there\r\n"
    server.write(b"250 hello\r\n")
    assert await client.read(11) == b"250 hello\r\n"
    assert [kind for kind, _, _ in bench.seen()] == [Kind.INVALID, Kind.INVALID]


# Names


async def test_names(bench):
    """A lane is called as its client asks; no two open connections have one name, and none has the server's."""
    names = ["ada", "ada", "Server", "a%0Ab%E2%80%AE" + "c" * 40, ""]
    for name in names:
        await bench.opened(name)
    seen = [event.source for event in bench.trace if event.kind is Kind.REQUEST]
    assert seen == ["ada", "ada 2", "Server 2", "ab" + "c" * 22, "Client"]


@pytest.mark.parametrize("seed", [None, *range(5)])
async def test_client_that_comes_back(bench, seed):
    """A client that reconnects at once gets its name again, even while the news of its end is held back."""
    bench.tap.shake(seed)
    for life in range(3):
        client, server = await bench.opened("ada")
        server.close()
        assert (await client.end())[0] == "FIN"
        client.close()
        await client.writer.wait_closed()
        event = bench.trace.events[-1]
        assert (event.connection, event.life) == ("ada", life)


# Taking down


async def test_close_while_dialling(bench):
    """A tap that is closed while it dials leaves no task behind."""
    tasks = asyncio.all_tasks()
    sockets = [socket.create_connection(("127.0.0.1", bench.tap.port)) for _ in range(5)]
    while len(bench.tap.connections) < 5:
        await asyncio.sleep(0)
    bench.tap.close()
    await bench.gone()
    for sock in sockets:
        sock.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() - tasks if not task.done()} == set()


async def test_close_while_bytes_are_stuck(bench):
    """Bytes that nobody takes do not keep a connection open."""
    client, server = await bench.pair()
    server.reader._limit = 1 << 14
    client.write(bytes(1 << 24))
    (connection,) = bench.tap.connections
    async with asyncio.timeout(WAIT_S):
        while not connection.server.full:
            await asyncio.sleep(0)
    connection.server.transport.close()
    bench.tap.close()
    await bench.gone()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to count descriptors")
async def test_fifty_leaked_clients():
    """50 clients that nobody closes leave no descriptor, no task, no link behind after `stop()`."""

    async def handler(ws):
        async for message in ws:
            await ws.send(message)

    async def round_trip():
        server = await serve(handler)
        clients = [await connect(server.url) for _ in range(50)]
        for client in clients:
            await client.send("x")
            await client.recv()
        await server.stop()
        for client in clients:
            await client.wait_closed()
        return server

    await round_trip()
    gc.collect()
    before, tasks, known = descriptors(), len(asyncio.all_tasks()), len(links)
    server = await round_trip()
    gc.collect()
    assert descriptors() == before
    assert len(asyncio.all_tasks()) == tasks and len(links) == known and not server.tap.connections
