"""Plain HTTP beside WebSocket: decoded with header and body, drawn, and served by aiohttp behind a tap."""

import asyncio
import logging
import re
import sqlite3
import time

import aiohttp
import h11
import pytest
from aiohttp import web
from golden_text import assert_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from test_decode import DOWN, END, GET, SWITCH, UP, assert_split_anywhere, decode, masked

from wslab.decode import Decoder
from wslab.errors import LabError, RecordingError
from wslab.http import MAX_AHEAD
from wslab.masking import hide, mask_secrets, register_secret, show
from wslab.message import MAX_HEAD
from wslab.pictures import bytesview
from wslab.pictures.narration import finding
from wslab.pictures.scene import scene
from wslab.recording import load, record
from wslab.server import running_servers, serve
from wslab.sources import watch_log, watch_sql
from wslab.trace import KEEP_BYTES, Kind
from wslab.webapp import serve_app

HOST = b"Host: 127.0.0.1\r\n"
ASK = b"GET /poll HTTP/1.1\r\n" + HOST + b"\r\n"
LOGIN = b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Length: 14\r\n\r\n" + b'{"user":"ada"}'
YES = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"


def told(events):
    """What stands in each event: kind, headline, payload, is it whole?"""
    return [(event.kind.value, event.headline or event.note, event.payload, event.fin) for event in events]


# Framing of a message (RFC 9112 6 and 7)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (YES, [("response", "200 OK", b"yes", True)]),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", [("response", "401 Unauthorized", b"", True)]),
        (b"HTTP/1.1 204 No Content\r\n\r\n", [("response", "204 No Content", b"", True)]),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", [("response", "304 Not Modified", b"", True)]),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", [("response", "200 OK", b"to the end", True)]),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n!", [("response", "200", b"!", True)]),
        (b"HTTP/1.1 200 OK\nContent-Length: 1\n\n!", [("response", "200 OK", b"!", True)]),
        (
            CHUNKED + b"3\r\nyes\r\n2;x=y\r\n!!\r\n0\r\n\r\n",
            [
                ("response", "200 OK", b"", True),
                ("body", "", b"yes", False),
                ("body", "", b"!!", False),
                ("body", "", b"", True),
            ],
        ),
        (
            CHUNKED + b"0\r\nChecksum: 7\r\n\r\n",
            [("response", "200 OK", b"", True), ("body", "", b"", True)],
        ),
        (
            STREAM + b"\r\ndata: 1\n\ndata: 2\r\n\r\ndata: ha",
            [
                ("response", "200 OK", b"", True),
                ("body", "text/event-stream", b"data: 1\n\n", False),
                ("body", "text/event-stream", b"data: 2\r\n\r\n", False),
                ("body", "text/event-stream", b"data: ha", True),
            ],
        ),
    ],
)
def test_answer(answer, expected):
    """However an answer is framed, its body is found; of a stream each part is an event."""
    events = assert_split_anywhere((UP, ASK), (DOWN, answer), (DOWN, END), (UP, END))
    assert told(events) == [("request", "GET /poll", b"", True), *expected]
    assert b"".join(event.raw for event in events[1:]) == answer
    assert sum(event.wire_bytes for event in events[1:]) == len(answer)


def test_post():
    """A request has its body; both directions are counted."""
    request, response = assert_split_anywhere((UP, LOGIN), (DOWN, YES))
    assert (request.headline, request.payload, request.length) == ("POST /login", b'{"user":"ada"}', 14)
    assert request.raw == LOGIN and request.wire_bytes == len(LOGIN)
    assert (request.ordinal, response.ordinal, response.code) == (0, 0, 200)


def test_chunked_request():
    """A body that the client sends in chunks is told in parts, too."""
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    events = assert_split_anywhere((UP, head + b"2\r\nab\r\n0\r\n\r\n"), (DOWN, YES))
    assert told(events)[1:3] == [("body", "", b"ab", False), ("body", "", b"", True)]
    assert [event.raw for event in events[1:3]] == [b"2\r\nab\r\n", b"0\r\n\r\n"]


def test_many_requests_on_one_connection():
    """Requests and answers take turns; the answer to HEAD has no body, whatever its length says (RFC 9110 9.3.2)."""
    head = b"HEAD /poll HTTP/1.1\r\n" + HOST + b"\r\n"
    nothing = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    events = assert_split_anywhere((UP, ASK), (DOWN, YES), (UP, head), (DOWN, nothing), (UP, LOGIN), (DOWN, YES))
    assert [event.headline for event in events[::2]] == ["GET /poll", "HEAD /poll", "POST /login"]
    assert [event.payload for event in events[1::2]] == [b"yes", b"", b"yes"]
    assert [event.ordinal for event in events] == [0, 0, 1, 1, 2, 2]


def test_pipelining():
    """Requests that do not wait are told as they come, and their answers find them."""
    head = b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n"
    nothing = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    events = assert_split_anywhere((UP, ASK + head + LOGIN), (DOWN, YES + nothing + YES))
    assert [event.headline for event in events[:3]] == ["GET /poll", "HEAD /", "POST /login"]
    assert [event.payload for event in events[3:]] == [b"yes", b"", b"yes"]


def test_100_continue():
    """A request whose body waits for leave is told before the leave, its body after it (RFC 9110 10.1.1)."""
    head, body = LOGIN[:-14].replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"), LOGIN[-14:]
    leave = b"HTTP/1.1 100 Continue\r\n\r\n"
    events = assert_split_anywhere((UP, head), (DOWN, leave), (UP, body), (DOWN, YES))
    assert [event.kind for event in events] == [Kind.REQUEST, Kind.RESPONSE, Kind.BODY, Kind.RESPONSE]
    assert [event.code for event in events] == [None, 100, None, 200]
    assert (events[2].payload, events[2].fin, events[2].up) == (body, True, True)
    assert [event.ordinal for event in events] == [0, None, None, 0]


def test_answer_before_the_end_of_the_request():
    """A refusal that does not wait for the rest of the body stands below its request."""
    events = assert_split_anywhere((UP, LOGIN[:-4]), (DOWN, YES), (UP, LOGIN[-4:]), (UP, ASK))
    assert [event.kind for event in events] == [Kind.REQUEST, Kind.RESPONSE, Kind.BODY, Kind.REQUEST]
    assert events[0].payload + events[2].payload == LOGIN[-14:]


def test_refused_upgrade():
    """The answer that refuses WebSocket has its body, and what follows is HTTP, counted from 0."""
    refusal = b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
    events = assert_split_anywhere((UP, GET), (DOWN, refusal), (UP, ASK), (DOWN, YES))
    assert [event.kind.value for event in events] == ["request", "response", "body", "body", "request", "response"]
    assert [event.ordinal for event in events] == [None, None, None, None, 0, 0]


def test_upgrade_after_plain_requests():
    """A connection that was kept alive may still become a WebSocket."""
    events = assert_split_anywhere((UP, ASK), (DOWN, YES), (UP, GET), (DOWN, SWITCH), (UP, masked(0x81, b"Hello")))
    assert [event.kind for event in events[2:]] == [Kind.REQUEST, Kind.RESPONSE, Kind.TEXT]
    assert events[-1].text == "Hello"


# What is not valid


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (CHUNKED + b"5\r\nhelloXY", "malformed chunk footer"),
        (CHUNKED + b"x\r\n", "illegal chunk header"),
        (CHUNKED + b"1" * 5000 + b"\r\n", "longer than the parser allows"),
        (CHUNKED + b"0\r\n" + b"A: b\r\n" * 20000, "Receive buffer too long"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "Only Transfer-Encoding: chunked is supported"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "conflicting Content-Length headers"),
    ],
)
def test_not_valid(answer, note):
    """What h11 refuses is one event with its reason, the same however it was cut."""
    events = decode((UP, ASK), (DOWN, answer))
    assert (events[-1].kind, events[-1].note) == (Kind.INVALID, note)
    assert decode((UP, ASK), *[(DOWN, answer[i : i + 3]) for i in range(0, len(answer), 3)]) == events


@pytest.mark.parametrize(
    ("answer", "part", "note"),
    [
        (YES[:-1], b"ye", "(received 2 bytes, expected 3)"),
        (CHUNKED + b"5\r\nhel", b"hel", "(incomplete chunked read)"),
        (CHUNKED + b"5\r\nhello\r\n", b"hello", "(incomplete chunked read)"),
    ],
)
def test_end_in_the_middle_of_a_body(answer, part, note):
    """What came of a body is told before it is said that the rest is missing."""
    events = assert_split_anywhere((UP, ASK), (DOWN, answer), (DOWN, END))
    assert (events[-1].kind, events[-2].payload) == (Kind.INVALID, part)
    assert events[-1].note == f"peer closed connection without sending complete message body {note}"


def test_a_client_leaves_between_two_parts():
    """A client that leaves an endless response between two chunks breaks nothing: its end of TCP says it all."""
    events = assert_split_anywhere((UP, ASK), (DOWN, CHUNKED + b"5\r\nhello\r\n"), (UP, END), (DOWN, END))
    assert [event.kind for event in events] == [Kind.REQUEST, Kind.RESPONSE, Kind.BODY]


# h11 as oracle

bodies = st.binary(max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["GET", "POST", "HEAD"]), st.lists(bodies, max_size=3)), max_size=5), st.data()
)
def test_any_exchange(exchanges, data):
    """Whatever h11 writes, chunked or not, is read back, however it is cut."""
    chunks, expected = [], []
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    for method, parts in exchanges:
        ask = client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        ask += client.send(h11.EndOfMessage())
        server.receive_data(ask)
        while server.next_event() is not h11.PAUSED and server.their_state is not h11.DONE:
            pass
        chunked = data.draw(st.booleans())
        framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(sum(map(len, parts))))
        answer = server.send(h11.Response(status_code=200, headers=[framing]))
        for part in parts if method != "HEAD" else []:
            answer += server.send(h11.Data(data=part))
        answer += server.send(h11.EndOfMessage())
        client.receive_data(answer)
        while client.next_event() is not h11.PAUSED and client.their_state is not h11.DONE:
            pass
        client.start_next_cycle()
        server.start_next_cycle()
        cut = data.draw(st.integers(0, len(answer)))
        chunks += [(UP, ask), (DOWN, answer[:cut]), (DOWN, answer[cut:])]
        expected.append(b"" if method == "HEAD" else b"".join(parts))
    found = []
    for event in decode(*chunks):
        assert event.kind in (Kind.REQUEST, Kind.RESPONSE, Kind.BODY)
        if event.kind is Kind.RESPONSE:
            found.append(b"")
        if not event.up:
            found[-1] += event.payload
    assert found == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=8))
def test_any_bytes(chunks):
    """No bytes after a plain request make the decoder raise."""
    decode((UP, ASK), *chunks, (DOWN, CHUNKED), *chunks, (UP, END), (DOWN, END))


# Nothing grows


@pytest.mark.parametrize("chunked", [False, True])
def test_large_body(chunked):
    """Of a body of ten million bytes 64 KiB are kept, its length is not cut, and it is decoded in a moment."""
    size, block = 10_000_000, bytes(50_000)
    framing = b"5F5E100\r\n" if chunked else b""
    head = CHUNKED + b"%X\r\n" % size if chunked else b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    decoder = Decoder()
    decoder.feed(UP, ASK)
    events = decoder.feed(DOWN, head)
    began = time.process_time()
    for _ in range(size // len(block)):
        events += decoder.feed(DOWN, block)
        assert len(decoder._streams[DOWN].reader.buffer) == 0 and len(decoder._streams[DOWN]._consumed) < MAX_HEAD
    events += decoder.feed(DOWN, b"\r\n" if chunked else b"")
    assert (events[-1].length, len(events[-1].payload), len(events[-1].raw)) == (size, KEEP_BYTES, KEEP_BYTES)
    assert time.process_time() - began < 2 and framing is not None


def test_too_many_requests_ahead():
    """A client that never waits for an answer is not decoded for ever."""
    events = decode((UP, ASK * (MAX_AHEAD + 5)))
    assert len(events) == MAX_AHEAD + 1
    assert (events[-1].kind, events[-1].note) == (Kind.INVALID, f"more than {MAX_AHEAD} requests wait for an answer")


def test_bytes_before_the_answer_to_an_upgrade():
    """What a client sends before it knows whether it may is kept up to a limit."""
    events = decode((UP, GET + b"x" * MAX_HEAD), (UP, b"x"))
    assert [event.note for event in events] == ["", "longer than the parser allows"]


# Secrets


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"user": "ada", "password": "hunter2"}', b'{"user": "ada", "password": "*******"}'),
        (b'{"token":"a\\"b","n":1}', b'{"token":"****","n":1}'),
        (b'{"Token": 1815, "n": 1}', b'{"Token": ****, "n": 1}'),
        (b'{"token": "cut of', b'{"token": "******'),
        (b"user=ada&password=hunter2&x=y", b"user=ada&password=*******&x=y"),
        (b"password=hunter2", b"password=*******"),
        (b'{"tokens": 3, "password_hint": "x"}', b'{"tokens": 3, "password_hint": "x"}'),
    ],
)
def test_fields_of_a_body_are_masked(body, shown):
    """Fields called password or token keep their lengths only, in JSON and in forms."""
    ask = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    (event,) = decode((UP, ask))
    assert event.payload == shown and event.raw.endswith(b"\r\n\r\n" + shown) and event.wire_bytes == len(ask)


def test_secret_across_chunks(monkeypatch):
    """A registered secret that is cut into chunks is masked in both."""
    monkeypatch.setattr("wslab.masking._secrets", ())
    register_secret("hunter2-in-chunks")
    events = decode((UP, ASK), (DOWN, CHUNKED + b"7\r\nhunter2\r\na\r\n-in-chunks\r\n0\r\n\r\n"))
    assert [event.payload for event in events[2:4]] == [b"*" * 7, b"*" * 10]
    assert not any(b"hunter" in event.raw or b"chunks" in event.raw for event in events[2:])


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"Authorization: Bearer demo-1\r\n", b"Authorization: Bearer demo-1\r\n"),
        (b"Authorization: Bearer demo-12\r\n", b"Authorization: **************\r\n"),
        (b"Cookie: session=demo-1; jupyter=s3cret\r\n", b"Cookie: session=demo-1****************\r\n"),
        (b"GET /?token=demo-1 HTTP/1.1\r\n", b"GET /?token=demo-1 HTTP/1.1\r\n"),
        (b"GET /?token=other1 HTTP/1.1\r\n", b"GET /?token=****** HTTP/1.1\r\n"),
    ],
)
def test_revealed(data, shown):
    """A demo credential is shown where a lesson asks for it, whole and with its scheme or name; no other one is."""
    show(["demo-1"])
    try:
        assert mask_secrets(data, head=True) == shown
        assert mask_secrets(b'{"token": "demo-1"}', body=True) == b'{"token": "demo-1"}'
    finally:
        hide(["demo-1"])
    assert b"demo-1" not in mask_secrets(data, head=True)


# Pictures


def shown_bytes(event):
    return bytesview.text(event).splitlines()


def test_bytes_of_a_post():
    """Header and body stand apart, in text and narration, and the picture draws both."""
    (event,) = decode((UP, LOGIN))
    assert shown_bytes(event) == [
        " → : HTTP request, 2 headers",
        r"  POST /login HTTP/1.1\r\n  method, path, version",
        r"  Host: <address>\r\n       for which server",
        r"  Content-Length: 14\r\n    bytes after the empty line",
        r"  \r\n                      an empty line ends the head",
        "body, 14 bytes",
        '  {"user":"ada"}',
    ]
    assert bytesview.narrate(event).splitlines()[-1] == 'Body, 14 bytes: "{"user":"ada"}".'
    assert bytesview.png(event).startswith(b"\x89PNG")


def test_bytes_of_a_chunk():
    """What frames a chunk is told from its content."""
    events = decode((UP, ASK), (DOWN, CHUNKED + b"3\r\na\nb\r\n0\r\nA: b\r\n\r\n"))
    assert shown_bytes(events[2]) == [
        " → : part of an HTTP body, of no type",
        r"  3\r\n  bytes in this chunk, in hexadecimal",
        "body, 3 bytes",
        r"  a\n",
        "  b",
        r"  \r\n  the chunk ends",
    ]
    assert shown_bytes(events[3])[1:] == [
        r"  0\r\n     no bytes: the last chunk",
        r"  A: b\r\n",
        r"  \r\n      an empty line ends the body",
    ]
    assert all(bytesview.png(event).startswith(b"\x89PNG") for event in events)


@pytest.mark.parametrize("body", [bytes(range(256)) * 300, "😀你好\n".encode() * 9000, b"\n" * 99, b"x" * 4000])
def test_any_body_is_drawn(body):
    """Long and binary bodies are cut, not refused."""
    for event in decode((UP, ASK), (DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)):
        assert len(bytesview.text(event)) < 5000 and bytesview.png(event) and bytesview.narrate(event)


# aiohttp on both sides


def application(queue, database=None):
    """The routes of a lesson: a login, a feed polled in two ways, and the same feed as a stream."""

    async def login(request):
        given = await request.json()
        if database is not None:
            await asyncio.to_thread(database.execute, "SELECT 1")
        if given["password"] != "analytical":
            logging.getLogger("http.test").info("login failed")
            return web.json_response({"error": "wrong password"}, status=401)
        return web.json_response({"token": "demo-1815"})

    async def poll(request):
        return web.json_response([])

    async def wait(request):
        return web.json_response(await queue.get())

    async def events(request):
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        while (news := await queue.get()) != "end":
            await answer.write(f"data: {news}\n\n".encode())
            logging.getLogger("http.test").info("told %s", news)
        return answer

    app = web.Application()
    app.add_routes(
        [web.post("/login", login), web.get("/poll", poll), web.get("/wait", wait), web.get("/events", events)]
    )
    return app


@pytest.fixture
def log():
    """The log of the routes, watched."""
    logger = logging.getLogger("http.test")
    recorder = watch_log(logger, server="Web server")
    yield logger
    logger.removeHandler(recorder)


async def read(http, path, **options):
    async with http.request(options.pop("method", "GET"), path, **options) as answer:
        return answer.status, await answer.text()


async def lesson(seed, log):
    """Login, 401, polling, long-polling and a stream, recorded."""
    queue = asyncio.Queue()
    database = watch_sql(sqlite3.connect(":memory:", check_same_thread=False), server="Web server")
    server = await serve_app(application(queue, database))
    server.tap.shake(seed)
    with record(server) as recording:
        async with aiohttp.ClientSession(server.url) as http:
            for password in ("analytical", "wrong"):
                await read(http, "/login?name=ada", method="POST", json={"user": "ada", "password": password})
            await recording.settled()
            await read(http, "/poll")
            waiting = asyncio.create_task(read(http, "/wait"))
            await recording.settled()
            queue.put_nowait("news")
            assert await waiting == (200, '"news"')
            async with http.get("/events") as answer:
                for news in ("one", "two"):
                    queue.put_nowait(news)
                    assert await answer.content.readuntil(b"\n\n") == f"data: {news}\n\n".encode()
                    await recording.settled()
                queue.put_nowait("end")
                await answer.content.read()
        await recording.settled()
    await server.stop()
    database.close()
    return recording


async def test_one_text(log):
    """Whether the tap is shaken or not, the text is the same, and so are the bytes that may be shown."""
    texts = set()
    for seed in (None, 1, 2):
        recording = await lesson(seed, log)
        shown = [str(recording), str(recording.narrate())]
        texts.add("\n\n".join(shown + [str(recording.bytes(row.number)) for row in recording.rows]))
    assert len(texts) == 1
    assert_golden("http", shown[0])


async def test_what_a_handler_does_stands_between_request_and_answer(log):
    """SQL and log are caused by the request; a part of a stream comes before what was logged after it."""
    recording = await lesson(None, log)
    kinds = [row.event.kind.value for row in recording.rows]
    assert kinds[:7] == ["request", "sql", "response", "request", "sql", "log", "response"]
    assert kinds[-7:] == ["response", "body", "log", "body", "log", "body", "end"]
    (work,) = [work for work in scene(recording.trace).works if work.covers(16)]
    assert (work.after, work.until) == (12, 16)


async def test_narration(log):
    """Each arrow is a sentence, and the title counts what was refused."""
    recording = await lesson(None, log)
    sentences = str(recording.narrate()).splitlines()
    assert sentences[0] == "1 connection, 5 requests, 156 body bytes."
    assert "1. ada sends Web server POST /login?name=ada, with 41 bytes." in sentences
    assert '14. Web server sends ada the event "one", 11 bytes.' in sentences
    assert "18. Web server sends ada the end of the body." in sentences
    assert finding(recording.trace) == "5 requests on 1 connection, 1 of them refused: 401"


async def test_save_and_load(log, tmp_path):
    """A recording of HTTP is the same after it was saved."""
    recording = await lesson(None, log)
    recording.save(tmp_path / "http.jsonl")
    assert str(load(tmp_path / "http.jsonl")) == str(recording)


async def test_reveal():
    """A recording shows the demo credentials that it was asked to show, and another one does not."""
    server = await serve_app(application(asyncio.Queue()))
    texts = []
    for reveal in (["demo-1815", "analytical"], []):
        async with aiohttp.ClientSession(server.url, headers={"Authorization": "Bearer demo-1815"}) as http:
            with record(server, reveal=reveal) as recording:
                await read(http, "/login", method="POST", json={"user": "ada", "password": "analytical"})
                await recording.settled()
        texts.append("".join(str(recording.bytes(n)) for n in (1, 2)))
    await server.stop()
    for text in ("Authorization: Bearer demo-1815", '"password": "analytical"', '"token": "demo-1815"'):
        assert (text in texts[0], text in texts[1]) == (True, False)
    assert "Authorization: ****************" in texts[1] and '"token": "*********"' in texts[1]


async def test_a_push_to_a_waiting_client():
    """What one client posts reaches another one that waits: the answer stands below the post, and is at rest before."""
    queue = asyncio.Queue()

    async def publish(request):
        queue.put_nowait(await request.text())
        return web.Response(status=204)

    app = application(queue)
    app.router.add_post("/publish", publish)
    server = await serve_app(app)
    with record(server) as recording:
        async with aiohttp.ClientSession(server.url) as ada, aiohttp.ClientSession(server.url) as bob:
            waiting = asyncio.create_task(read(ada, "/wait?name=ada"))
            await recording.settled()
            await read(bob, "/publish?name=bob", method="POST", data="news")
            assert await waiting == (200, '"news"')
            await recording.settled()
    await server.stop()
    rows = [(row.event.source, row.event.headline, row.free) for row in recording.rows if row.event.step == 1]
    assert rows == [
        ("bob", "POST /publish?name=bob", False),
        ("Web server", "200 OK", False),
        ("Web server", "204 No Content", True),
    ]


# settled()


async def test_a_working_handler_keeps_the_step_open(monkeypatch):
    """A handler that sleeps is at work; one that waits for an event is not."""
    monkeypatch.setattr("wslab.quiet.TIMEOUT_S", 0.1)
    woken = asyncio.Event()

    async def slow(request):
        await asyncio.sleep(60)

    async def parked(request):
        await asyncio.wait_for(woken.wait(), 60)
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/slow", slow), web.get("/parked", parked)])
    server = await serve_app(app)
    async with aiohttp.ClientSession(server.url) as http:
        with record(server) as recording:
            waiting = asyncio.create_task(read(http, "/parked?name=ada"))
            await asyncio.sleep(0)
            await recording.settled()
            working = asyncio.create_task(read(http, "/slow?name=bob"))
            with pytest.raises(RecordingError, match="the handler of bob still runs"):
                await recording.settled()
            working.cancel()
            woken.set()
            await waiting
    await server.stop()


# The server


async def status(server, head, path="/poll"):
    """The status that a raw request is answered with."""
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [("Host: 127.0.0.1:80\r\n", 200), ("Host: LOCALHOST\r\n", 200), ("Host: evil.example\r\n", 403), ("", 400)],
)
async def test_foreign_host(hosts, expected):
    """A Host of another machine, which is DNS rebinding, is refused."""
    server = await serve_app(application(asyncio.Queue()))
    assert await status(server, hosts) == expected
    await server.stop()


async def test_serving_again():
    """The same cell may run again: the former server stops, and the application is served anew."""
    app = application(asyncio.Queue())
    first = await serve_app(app, name="one")
    other = await serve(until_closed, name="two")
    second = await serve_app(app, name="one")
    assert not first.running and running_servers() == [other, second]
    async with aiohttp.ClientSession(second.url) as http:
        assert await read(http, "/poll") == (200, "[]")
    for server in (other, second):
        await server.stop()
    assert running_servers() == []
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", int(second.url.rpartition(":")[2]))


async def until_closed(ws):
    await ws.wait_closed()


@pytest.mark.parametrize("swallows", [False, True])
async def test_stop_ends_a_hanging_long_poll(swallows):
    """However a handler hangs, the server is gone within two seconds, and so is the handler."""

    async def hang(request):
        for _ in range(3 if swallows else 1):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not swallows:
                    raise

    app = web.Application()
    app.add_routes([web.get("/", hang)])
    server = await serve_app(app)
    async with aiohttp.ClientSession(server.url) as http:
        with record(server) as recording:
            hanging = asyncio.create_task(read(http, "/"))
            await recording.settled()
        assert list(server.handlers().values()) == ["the handler of Client"]
        began = time.monotonic()
        await server.stop()
        assert time.monotonic() - began < 2 and server.handlers() == {}
        with pytest.raises(aiohttp.ClientError):
            await hanging


@pytest.mark.parametrize("seed", [None, 1, 2, 3, 4])
async def test_an_error_in_a_handler(seed):
    """What leaves a handler is kept, answered with 500, and logged; an HTTP exception is an answer.

    After a 500 the server ends TCP, also where the client, who has read that it will, is quicker.
    """

    async def broken(request):
        raise ValueError("no such note")

    async def missing(request):
        raise web.HTTPNotFound

    app = web.Application()
    app.add_routes([web.get("/broken", broken), web.get("/missing", missing)])
    server = await serve_app(app)
    server.tap.shake(seed)
    async with aiohttp.ClientSession(server.url) as http:
        with record(server) as recording:
            assert (await read(http, "/broken"))[0] == 500
            await recording.settled()
            assert (await read(http, "/missing"))[0] == 404
            await recording.settled()
    await server.stop()
    assert [str(error) for error in server.errors] == ["no such note"]
    assert [row.event.up for row in recording.rows] == [True, True, False, False, True, False]
    assert [row.event.headline or row.event.note for row in recording.rows] == [
        "GET /broken",
        "ERROR Error handling request from 127.0.0.1: ValueError: no such note",
        "500 Internal Server Error",
        "FIN",
        "GET /missing",
        "404 Not Found",
    ]


async def test_no_application():
    """Anything else is refused with the remedy."""
    with pytest.raises(LabError, match=re.escape("serve_app() takes an aiohttp.web.Application, not dict")):
        await serve_app({})
