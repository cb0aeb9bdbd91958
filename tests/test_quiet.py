"""`settled()` returns when nothing is under way, and says what is when something stays so."""

import asyncio
import contextlib
import threading

import pytest
from websockets import connect

from wslab import quiet
from wslab import server as server_module
from wslab.errors import RecordingError
from wslab.quiet import current_tasks
from wslab.recording import record
from wslab.server import serve
from wslab.trace import Kind

HOST = "Host: 127.0.0.1\r\n"
OPENING = (
    f"GET /?name=ada HTTP/1.1\r\n{HOST}Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


@pytest.fixture
async def start(monkeypatch):
    """Like `serve`; what it started is stopped at the end of the test, without much patience."""
    monkeypatch.setattr(server_module, "GRACE_S", 0.05)
    servers = []

    async def start(*args, **kwargs):
        servers.append(await serve(*args, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
def hasty(monkeypatch):
    """Let `settled()` give up after a moment."""
    monkeypatch.setattr(quiet, "TIMEOUT_S", 0.15)


def texts(recording):
    return [event.text for event in recording.trace if event.kind is Kind.TEXT]


async def echo(ws):
    async for message in ws:
        await ws.send(message)


# What it waits for: the lesson sends, awaits no answer, and settles


async def assert_settled_late(start, handler, answers, *, seed=None, **options):
    """Everything that follows from one message is recorded when `settled()` returns, and nothing comes later."""
    server = await start(handler, **options)
    server.tap.shake(seed)
    for known in (False, True):
        ws = await connect(server.url) if known else None  # a handler from before the recording counts as well
        with record(server) as recording:
            ws = ws or await connect(server.url)
            await recording.settled()
            await ws.send("go")
            await recording.settled()
            seen = texts(recording)
            await asyncio.sleep(0.03)
            assert seen == texts(recording) == ["go", *answers]
            await ws.close()
            await recording.settled()
            assert recording.trace.events[-1].kind is Kind.END
            assert [row.event.step for row in recording.rows][-1] == (1 if known else 2)


@pytest.mark.parametrize("seed", [None, 1, 2])
async def test_bytes_in_the_tap(start, seed):
    """It waits for bytes that the tap holds back."""
    await assert_settled_late(start, echo, ["go"], seed=seed)


async def test_handler_in_a_thread(start):
    """It waits for a handler that waits for a thread."""

    async def handler(ws):
        async for _ in ws:
            await asyncio.to_thread(threading.Event().wait, 0.02)
            await ws.send("done")

    await assert_settled_late(start, handler, ["done"])


async def test_handler_that_sleeps(start):
    """It waits for a handler that sleeps."""

    async def handler(ws):
        async for _ in ws:
            await asyncio.sleep(0.02)
            await ws.send("done")

    await assert_settled_late(start, handler, ["done"])


async def test_tasks_of_a_handler(start):
    """It waits for tasks that a handler started, also when they start others."""
    tasks = set()

    def spawn(coroutine):
        tasks.add(task := asyncio.create_task(coroutine))
        task.add_done_callback(tasks.discard)

    async def work(ws, seconds, last=False):
        await asyncio.sleep(seconds)
        await ws.send(f"after {seconds}")
        if not last:
            spawn(work(ws, 0.06, True))

    async def handler(ws):
        async for _ in ws:
            spawn(work(ws, 0.02))

    await assert_settled_late(start, handler, ["after 0.02", "after 0.06"])


async def test_thread_of_an_executor(start):
    """It waits for a thread under a time limit, and for one among other futures."""

    async def handler(ws):
        loop = asyncio.get_running_loop()
        async for _ in ws:
            await asyncio.wait_for(asyncio.to_thread(threading.Event().wait, 0.02), 1)
            await asyncio.wait([loop.run_in_executor(None, threading.Event().wait, 0.02)])
            await asyncio.gather(asyncio.to_thread(threading.Event().wait, 0.02))
            await ws.send("done")

    await assert_settled_late(start, handler, ["done"])


async def test_handler_on_another_thread(start):
    """It waits for a server on a thread of its own."""

    async def handler(ws):
        async for _ in ws:
            await asyncio.sleep(0.02)
            await ws.send("done")

    await assert_settled_late(start, handler, ["done"], background=True)


async def test_process_request(start):
    """It waits for a `process_request` that takes its time."""

    async def process_request(connection, request):
        await asyncio.to_thread(threading.Event().wait, 0.03)

    server = await start(echo, process_request=process_request)
    with record(server) as recording:
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.tap.port)
        writer.write(OPENING)
        await recording.settled()
        assert [event.kind for event in recording.trace] == [Kind.REQUEST, Kind.RESPONSE]
        writer.close()


async def test_several_servers(start):
    """It looks at all servers of the recording."""
    two = await start(echo, name="two")

    async def handler(ws):
        async for message in ws:
            async with connect(two.url) as other:
                await asyncio.sleep(0.02)
                await other.send(message)
                await other.recv()

    one = await start(handler, name="one")
    with record(one, two) as recording:
        async with connect(one.url) as ws:
            await ws.send("go")
            await recording.settled()
            assert texts(recording) == ["go"] * 3
            assert [event.kind for event in recording.trace][-1] is Kind.END


# What it does not wait for: whoever has nothing to do until somebody speaks to it


async def queue_get(ws, parked):
    queue = asyncio.Queue()
    parked.set()
    await queue.get()


async def event_wait(ws, parked):
    event = asyncio.Event()
    parked.set()
    await event.wait()


async def condition_wait(ws, parked):
    async with (condition := asyncio.Condition()):
        parked.set()
        await condition.wait()


async def async_for(ws, parked):
    parked.set()
    async for _ in ws:
        pass


async def recv(ws, parked):
    parked.set()
    await ws.recv()


async def recv_streaming(ws, parked):
    parked.set()
    async for _ in ws.recv_streaming():
        pass


async def time_limit(ws, parked):
    parked.set()
    await asyncio.wait_for(ws.recv(), 60)


async def other_time_limit(ws, parked):
    parked.set()
    async with asyncio.timeout(60):
        await ws.recv()


async def wait_closed(ws, parked):
    parked.set()
    await ws.wait_closed()


async def own_generator(ws, parked):
    async def upper():
        async for message in ws:
            yield message.upper()

    parked.set()
    async for message in upper():
        await ws.send(message)


async def reader_and_writer(ws, parked):
    queue = asyncio.Queue()

    async def read():
        async for message in ws:
            await queue.put(message)

    async def write():
        while True:
            await ws.send(await queue.get())

    tasks = [asyncio.create_task(read()), asyncio.create_task(write())]
    parked.set()
    _, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()


async def gathered(ws, parked):
    parked.set()
    await asyncio.gather(ws.wait_closed(), recv(ws, parked))


async def task_group(ws, parked):
    async with asyncio.TaskGroup() as group:
        group.create_task(recv(ws, parked))


async def one_task(ws, parked):
    await asyncio.create_task(recv(ws, parked))


async def lock(ws, parked):
    async with (held := asyncio.Lock()):
        parked.set()
        await held.acquire()


PARKED = [
    queue_get,
    event_wait,
    condition_wait,
    async_for,
    recv,
    recv_streaming,
    time_limit,
    other_time_limit,
    wait_closed,
]
PARKED += [own_generator, reader_and_writer, gathered, task_group, one_task, lock]


@pytest.mark.parametrize("park", PARKED, ids=lambda park: park.__name__)
async def test_parked_handler(start, hasty, park):
    """A handler that waits for input, in whatever way, is at rest."""
    parked = asyncio.Event()

    async def handler(ws):
        with contextlib.suppress(Exception):  # the connection will end
            await park(ws, parked)

    server = await start(handler)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await parked.wait()
            await recording.settled()
            ws.transport.abort()


async def test_clients_and_raw_readers(start, hasty):
    """Tasks of the lesson that wait for a message, and raw readers that wait for bytes, are at rest."""
    server = await start(echo)
    with record(server) as recording:
        ws = await connect(server.url)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.tap.port)
        tasks = [asyncio.create_task(ws.recv()), asyncio.create_task(reader.readline())]
        await recording.settled()
        writer.close()
        await ws.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_silent_client(start, hasty):
    """A client that has not sent its request keeps nothing from being at rest."""
    server = await start(echo)
    with record(server) as recording:
        _, writer = await asyncio.open_connection("127.0.0.1", server.tap.port)
        await recording.settled()
        writer.close()


async def test_keepalive(start):
    """Keepalive pings do not keep it from settling, nor are they counted."""
    server = await start(echo, ping_interval=0.002)
    with record(server) as recording:
        async with connect(server.url, ping_interval=0.002) as ws:
            await asyncio.sleep(0.02)
            await recording.settled()
            await ws.send("x")
            await ws.recv()
        await recording.settled()
    assert any(event.keepalive for event in recording.trace)


async def test_tasks_from_before(start, hasty):
    """What the lesson had started before the recording may go on, on the server's own loop too."""

    async def for_ever():
        while True:
            await asyncio.sleep(0.001)

    async def process_request(connection, request):
        if not resident:
            resident.append(asyncio.create_task(for_ever()))

    resident = []
    task = asyncio.create_task(for_ever())
    server = await start(echo, background=True, process_request=process_request)
    async with connect(server.url):
        pass
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send("x")
            await ws.recv()
            await recording.settled()
    task.cancel()


async def test_resident_task(start, hasty):
    """A task that was named as resident may go on."""

    async def for_ever():
        while True:
            await asyncio.sleep(0.001)

    server = await start(echo)
    with record(server) as recording:
        task = asyncio.create_task(for_ever())
        await recording.settled(resident=[task])
        with pytest.raises(RecordingError, match=r"the task '.*for_ever' still runs"):
            await recording.settled()
        task.cancel()


async def test_nothing_happened(start):
    """Settling without events begins no new step."""
    server = await start(echo)
    with record(server) as recording:
        for _ in range(3):
            await recording.settled()
        assert recording.trace.step == 0


def test_tasks_without_a_loop():
    """Outside any loop there are no tasks but those of running servers."""
    assert all(task.get_loop().is_running() for task in current_tasks())


# What it says when it gives up


async def reason(recording):
    with pytest.raises(RecordingError) as error:
        await recording.settled()
    first, _, remedy = str(error.value).partition(". ")
    assert remedy == "Await what it does, or name a task that never ends in settled(resident=[task])."
    return first.removeprefix("not settled after 0 s: ")


async def test_says_which_handler(start, hasty):
    """A handler that works on is named by its client."""

    async def handler(ws):
        await asyncio.sleep(60)

    server = await start(handler)
    with record(server) as recording:
        async with connect(f"{server.url}/?name=ada") as ws:
            assert await reason(recording) == "the handler of ada still runs"
            ws.transport.abort()
    with record(server) as recording:  # it was there before
        assert await reason(recording) == "the handler of ada still runs"


async def test_says_who_does_not_read(start, hasty):
    """A client that does not read, and a server that does not, are said to."""

    async def flood(ws):
        while True:
            await ws.send(bytes(1 << 20))

    async def deaf(ws):
        await asyncio.Event().wait()

    server = await start(flood, name="flood")
    with record(server) as recording:
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.tap.port, limit=1 << 12)
        writer.write(OPENING)
        assert await reason(recording) == "bytes of ada are still under way"
        writer.transport.abort()
    server = await start(deaf, name="deaf", max_queue=1)
    with record(server) as recording:
        async with connect(f"{server.url}/?name=ada") as ws:
            for _ in range(3):  # few enough for the system's own buffers
                await ws.send("x")
                await asyncio.sleep(0)
            await ws.send(bytes(1000))
            await asyncio.sleep(0.01)
            await ws.send(bytes(1000))
            assert await reason(recording) == "a socket of deaf holds bytes that nobody has read"
            ws.transport.abort()


async def test_says_what_the_tap_holds(start, hasty):
    """Bytes in the tap, and a connection that is half closed, are said to be so."""

    async def handler(ws):
        await ws.wait_closed()

    server = await start(handler, close_timeout=60)
    server.tap.delay(60)
    with record(server) as recording:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.tap.port)
        writer.write(OPENING)
        assert await reason(recording) == "bytes of a client are still under way"
        server.tap.delay(0)
        server.tap.cut()
    with record(server) as recording:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.tap.port)
        writer.write(OPENING + b"\x88\x82\0\0\0\0\x03\xe8")
        await asyncio.wait_for(reader.read(), 5)
        assert await reason(recording) == "the connection of ada is half closed"
        writer.close()


async def test_says_that_messages_keep_coming(start, hasty):
    """Two that answer each other for ever are not taken for quiet, whatever they are found in."""

    async def answer(ws):
        async for message in ws:
            await ws.send(message)

    server = await start(answer)
    with record(server) as recording:
        async with connect(f"{server.url}/?name=ada") as ws:
            task = asyncio.create_task(answer(ws))
            await ws.send("ping")
            said = await reason(recording)
            task.cancel()
            ws.transport.abort()
    assert said in ("messages keep coming", "bytes of ada are still under way", "the handler of ada still runs") or (
        said.startswith("a socket of Server holds") or "answer' still runs" in said
    )
