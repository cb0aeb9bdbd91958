"""The frame bench: edited frames on real sockets, and what a server of the library really answers."""

import asyncio
import contextlib

import pytest
from websockets import connect

from wslab import load, record, serve
from wslab.errors import LabError, RecordingError
from wslab.framebench import Draft, FrameBench
from wslab.masking import register_secret
from wslab.trace import Kind

NORMAL, SILENT, UNSENT = b"\x03\xe8", b"", b"\x03\xed"  # close codes 1000, none, and 1005, which is never on the wire


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@pytest.fixture
async def server():
    running = await serve(echo)
    yield running
    await running.stop()


@pytest.fixture
async def hello(server):
    """One message and its echo."""
    with record(server) as recording:
        async with connect(f"{server.url}/?name=Ada") as ws:
            await ws.send("hello")
            await ws.recv()
        await recording.settled()
    return recording


def answers(recording):
    """What the server sent after the handshake."""
    frames = [event for event in recording.trace if not event.up and event.kind not in (Kind.RESPONSE, Kind.END)]
    return [(event.kind, event.code if event.kind is Kind.CLOSE else event.payload) for event in frames if event.tap]


TEXT, BINARY, PONG = (Kind.TEXT, b"hello"), (Kind.BINARY, b"hello"), (Kind.PONG, b"hello")

# What was observed of websockets 17.4; the sections are those of RFC 6455.
REACTIONS = {
    # 5.2, the bits
    "as recorded": ([{}], TEXT),
    "FIN 0": ([{"fin": False}], None),
    "RSV1": ([{"rsv": 4}], 1002),
    "RSV2": ([{"rsv": 2}], 1002),
    "RSV3": ([{"rsv": 1}], 1002),
    "opcode 2": ([{"opcode": 2}], BINARY),
    "opcode 3": ([{"opcode": 3}], 1002),
    "opcode 7": ([{"opcode": 7}], 1002),
    "opcode 11": ([{"opcode": 11}], 1002),
    "opcode 15": ([{"opcode": 15}], 1002),
    "no mask": ([{"mask": False}], 1002),
    "too long a length": ([{"length": 6}], None),
    "too short a length": ([{"length": 4}], (Kind.TEXT, b"hell")),
    "more than the server takes": ([{"length": (1 << 20) + 1}], 1009),
    "a length with its highest bit set": ([{"length": 1 << 63}], 1009),
    # 5.4, fragments
    "a continuation of nothing": ([{"opcode": 0}], 1002),
    "two fragments": ([{"fin": False}, {"opcode": 0}], (Kind.TEXT, b"hellohello")),
    "a message within a message": ([{"fin": False}, {}], 1002),
    "a ping within a message": ([{"fin": False}, {"opcode": 9}], PONG),
    # 5.5, control frames
    "ping": ([{"opcode": 9}], PONG),
    "pong": ([{"opcode": 10}], None),
    "a ping in fragments": ([{"opcode": 9, "fin": False}], 1002),
    "a ping of 126 bytes": ([{"opcode": 9, "payload": b"x" * 126}], 1002),
    # 5.5.1 and 7.4, close frames
    "close 1000": ([{"opcode": 8, "payload": NORMAL}], 1000),
    "close without a code": ([{"opcode": 8, "payload": SILENT}], 1005),
    "close 4001": ([{"opcode": 8, "payload": b"\x0f\xa1bye"}], 4001),
    "close 1005": ([{"opcode": 8, "payload": UNSENT}], 1002),
    "close with half a code": ([{"opcode": 8, "payload": b"\x03"}], 1002),
    "a text for a code": ([{"opcode": 8}], 1002),
    "a reason that is no UTF-8": ([{"opcode": 8, "payload": NORMAL + b"\xff"}], 1007),
    # 8.1, text
    "a text that is no UTF-8": ([{"payload": b"\xff"}], 1007),
}


@pytest.mark.parametrize(("edits", "expected"), REACTIONS.values(), ids=REACTIONS)
async def test_reaction(hello, edits, expected):
    """Each edit meets what the library does with it: a close code, an answer, or nothing."""
    *before, last = edits
    reaction = await FrameBench(hello, 3).send(*before, **last)
    wanted = [(Kind.CLOSE, expected)] if isinstance(expected, int) else [expected] if expected else []
    assert answers(reaction) == wanted
    assert [event.connection for event in reaction.trace if event.kind is Kind.REQUEST] == ["Ada"]


async def test_the_bench_leaves_nothing_behind(hello, server):
    """After each frame the connection is gone, and no echo of its end comes into the next recording."""
    bench = FrameBench(hello, 3)
    for _ in range(3):
        reaction = await bench.send(fin=False)
        assert [event.kind for event in reaction.trace] == ["request", "response", "text"]
        assert server.connections == set()
        assert server.tap.connections == set()


async def test_titles_say_what_was_changed(hello):
    """A title names the edits and the reaction, the same in every run."""
    bench = FrameBench(hello, 3)
    assert (await bench.send()).title == 'as recorded: TEXT "hello"'
    assert (await bench.send(fin=False)).title == "FIN=0: no answer"
    assert (await bench.send({"fin": False}, opcode=0, payload=b"!" * 30)).title == (
        f'FIN=0, then opcode=0 payload=b\'!!!!!!!!!!!!!!!!!…: TEXT "hello{"!" * 30}"'
    )
    assert str(await bench.send(rsv=4)) == str(await bench.send(rsv=4))


async def test_unchanged_is_byte_by_byte_what_was_recorded(hello):
    """Composed again, header, key and masked payload are the recorded ones, whatever the length."""
    assert bytes(FrameBench(hello, 3).draft) == hello.arrow(3).raw


@pytest.mark.parametrize(
    ("length", "head"),
    [(125, "81fd"), (126, "81fe007e"), (65535, "81feffff"), (65536, "81ff0000000000010000")],
)
def test_lengths_take_their_three_forms(length, head):
    """A length up to 125 stands in the second byte, up to 65,535 in two more, else in eight (RFC 6455 5.2)."""
    draft = Draft(True, 0, 1, True, length, b"", b"\x01\x02\x03\x04")
    assert bytes(draft).hex() == head + "01020304"


async def test_bench_shows_its_frame(hello):
    """In a notebook the bench is the frame byte by byte."""
    bench = FrameBench(hello, 3)
    assert bench._repr_mimebundle_() == hello.bytes(3)._repr_mimebundle_()
    assert "FIN 1 · RSV 000 · opcode 1 TEXT" in repr(bench)


async def test_a_server_on_a_thread(hello):
    """A server in the background is reached like any other."""
    server = await serve(echo, name="Background", background=True)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send("hello")
            await ws.recv()
        await recording.settled()
    try:
        assert answers(await FrameBench(recording, 3).send(rsv=4)) == [(Kind.CLOSE, 1002)]
    finally:
        await server.stop()


async def test_a_refused_handshake_is_the_reaction():
    """Where the server does not let the bench in, no frame is sent and the recording shows the refusal."""
    door = []

    def guarded(connection, request):
        return connection.respond(401, "no\n") if door else None

    server = await serve(echo, process_request=guarded)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send("hello")
        await recording.settled()
    door.append("closed")
    reaction = await FrameBench(recording, 3).send()
    await server.stop()
    assert reaction.title == "as recorded: 401 Unauthorized"
    assert [event.kind for event in reaction.trace if event.up and event.tap] == ["request"]


async def test_a_secret_is_not_sent_again(server):
    """What was masked in the recording is asterisks on the bench."""
    register_secret("open sesame")
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send("say open sesame")
        await recording.settled()
    assert FrameBench(recording, 3).draft.payload == b"say " + b"*" * 11


async def test_a_handler_that_swallows_everything_ends_in_a_message():
    """A server that does not come to rest is told by its handler's name, and the connection is gone."""

    async def busy(ws):
        async for _ in ws:
            while True:
                await asyncio.sleep(0.01)

    server = await serve(busy)
    try:
        with record(server) as recording:
            async with connect(server.url) as ws:
                await ws.send("hello")
                with contextlib.suppress(RecordingError):
                    ws.transport.abort()
            await server.tap.drained()
        for task in server.handlers():
            task.cancel()
        with pytest.raises(RecordingError, match=r"not settled .* the handler of Client still runs"):
            await FrameBench(recording, 3).send()
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({"rsv": 8}, "rsv is a number from 0 to 7, not 8"),
        ({"opcode": -1}, "opcode is a number from 0 to 15, not -1"),
        ({"opcode": True}, "opcode is a number from 0 to 15, not True"),
        ({"length": 1 << 64}, "length is a number from 0 to 18446744073709551615, not 18446744073709551616"),
        ({"fin": 0}, "fin is one bit, True or False, not 0"),
        ({"payload": "text"}, "payload is bytes, such as b'hello', not 'text'"),
        ({"flag": 1}, "a frame has no part 'flag': it has fin, rsv, opcode, mask, length, payload"),
    ],
)
async def test_a_value_that_does_not_fit(hello, edits, message):
    """A wrong edit is told before anything is sent."""
    with pytest.raises(LabError) as caught:
        await FrameBench(hello, 3).send(**edits)
    assert str(caught.value) == message


async def test_only_a_clients_frame(hello, server, tmp_path):
    """A handshake, a server's frame, a long one, a loaded recording and a stopped server are refused with a reason."""
    for number in (1, 4):
        with pytest.raises(LabError, match=f"arrow {number} is no frame that a client sent: take one of those"):
            FrameBench(hello, number)
    with pytest.raises(RecordingError, match="has arrows 1 to"):
        FrameBench(hello, 99)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send("x" * 70_000)
        await recording.settled()
    with pytest.raises(LabError, match="arrow 3 is longer than what a recording keeps: take a smaller frame"):
        FrameBench(recording, 3)
    hello.save(tmp_path / "hello.jsonl")
    gone = "the server of this recording is not running: serve and record again, then take the frame"
    with pytest.raises(LabError, match=gone):
        FrameBench(load(tmp_path / "hello.jsonl"), 3)
    await server.stop()
    with pytest.raises(LabError, match=gone):
        FrameBench(hello, 3)
