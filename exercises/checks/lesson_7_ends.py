"""What the checks of 7.1, the table of ends, and 7.4, what now?, look at, in the order in which a learner reads it.

Every end is made for real: by a server of the check's, by a port where nobody listens, or by one that is silent.
"""

import asyncio
import contextlib
import dataclasses
import enum
import random
import socket

from websockets import ConnectionClosed, connect

from wslab import serve
from wslab.judge import Driver, NoAnswer, Raised, Wrong, behaviour
from wslab.recording import record
from wslab.trace import Kind

OPEN_S, SILENT_S, CLOSE_S, PING_S = 2.0, 0.2, 0.1, 0.1
LARGEST = 100  # bytes of a message that the server takes
OK, ERROR = "ConnectionClosedOK", "ConnectionClosedError"


# The server that ends each connection as its path says ----------------------------------------------------------


class Ender:
    """Paths: `/1001`, `/abort`, `/black_hole`, `/too_big`; `/http/503` refuses the handshake."""

    @contextlib.asynccontextmanager
    async def running(self):
        self.server = await serve(
            self._handle, name="Judge's server", process_request=self._refuse, max_size=LARGEST, close_timeout=CLOSE_S
        )
        try:
            with record(self.server) as self.recording:
                yield self
        finally:
            await self.server.stop()

    def url(self, end):
        return f"{self.server.url}/{end.replace(' ', '_')}?name={end.replace(' ', '_')}"

    def seen(self, end):
        """What crossed on the connection that had this end."""
        return self.recording.only(end.replace(" ", "_"))

    def _refuse(self, connection, request):
        _, _, status = request.path.partition("?")[0].partition("/http_")
        return connection.respond(int(status), "refused\n") if status else None

    async def _handle(self, ws):
        end = ws.request.path.partition("?")[0].strip("/")
        if end != "too_big":  # there the library itself closes
            await ws.recv()  # now the client is connected, too
            await self._end(ws, end)
        await ws.wait_closed()

    async def _end(self, ws, end):
        if end == "abort":
            self.server.tap.cut(end)
        elif end == "black_hole":
            self.server.tap.blackhole(end)
        elif end == "1005":  # a close frame without a code
            async with ws.send_context():
                ws.protocol.send_close()
        else:
            await ws.close(int(end))


async def _begin(url, end, open_timeout=OPEN_S):
    """A client that meets this end; only with pings does anybody notice a black hole."""
    patience = PING_S if end == "black hole" else None
    ws = await connect(
        url,
        compression=None,
        proxy=None,
        open_timeout=open_timeout,
        close_timeout=CLOSE_S,
        ping_interval=patience,
        ping_timeout=patience,
    )
    await ws.send("x" * (LARGEST + 1) if end == "too big" else "end it")
    return ws


# 7.1 The table of ends -----------------------------------------------------------------------------------------


class Foretelling(Driver):
    """Asks the learner's function; a close code of the library's own kind is a number like any other."""

    async def ask(self, kind):
        told = self.answer(kind)
        if asyncio.iscoroutine(told):
            told = await told
        if not isinstance(told, tuple | list):
            return told
        return tuple(int(item) if isinstance(item, enum.IntEnum) else item for item in told)


@behaviour("7.1", "the normal ends: 1000, 1001 and 1005")
async def normal(answer):
    await _compare(answer, ["1000", "1001", "1005"])


@behaviour("7.1", "every other close code, those of your own included")
async def other_codes(answer):
    own = [random.randrange(first, first + 1000) for first in (3000, 4000)]
    await _compare(answer, ["1011", "1012", *map(str, own)])


@behaviour("7.1", "the wire is cut, the wire is silent, the message is too big")
async def without_a_code(answer):
    await _compare(answer, ["abort", "black hole", "too big"])


async def _compare(answer, kinds):
    async with Ender().running() as ender:
        found = await asyncio.gather(*(_real(ender, kind) for kind in kinds))
        await ender.recording.settled()
        async with answer.driven(Foretelling) as foretelling:
            for kind, real in zip(kinds, found, strict=True):
                answer.recording = ender.seen(kind)
                _judge_end(kind, real, await foretelling.do("ask", kind, what=f"ending({kind!r})"))


async def _real(ender, kind):
    """(name of the exception, close code, does the loop raise), from a connection that really ended so."""
    async with await _begin(ender.url(kind), kind) as ws:
        raises = False
        try:
            async for _ in ws:
                pass
        except ConnectionClosed:
            raises = True
        try:
            await ws.recv()
        except ConnectionClosed as exc:
            return type(exc).__name__, int(ws.close_code), raises


def _judge_end(kind, real, told):
    facts = {"did": f"ending({kind!r})", "expected": repr(real), "saw": repr(told), "where": _last_word}
    try:
        name, code, raises = told
    except (TypeError, ValueError):
        raise Wrong(
            f"7.1 result: ending({kind!r}) returned {told!r}; it has to return three things: a name, a code, and "
            "True or False.",
            **facts,
        ) from None
    exception, real_code, raised = real
    if code != real_code:
        raise Wrong(CODES.get(kind, f"7.1 {kind}: this code came in a close frame, so close_code is {kind}."), **facts)
    if raised and not raises:
        raise Wrong(f"7.1 {kind}: the loop raised: only 1000, 1001, 1005 end quietly.", **facts)
    if name != exception:
        raise Wrong(
            f"7.1 {kind}: recv raised {exception}; 1000, 1001 and 1005 are normal ends."
            if exception == OK
            else f"7.1 {kind}: recv raised {exception}; only 1000, 1001 and 1005 are normal ends.",
            **facts,
        )
    if bool(raises) != raised:
        raise Wrong(f"7.1 {kind}: the loop ended quietly, as it does on 1000, 1001 and 1005.", **facts)


CODES = {
    "abort": "7.1 abort: no close frame came, so close_code is 1006 and exc.rcvd is None.",
    "black hole": "7.1 black hole: exc.sent is 1011, but close_code is 1006: nothing was received.",
    "too big": "7.1 too big: the receiver closed with 1009; the sender reads rcvd 1009.",
    "1005": "7.1 1005: the close frame came without a code; close_code says so with 1005.",
}


def _last_word(event):
    return event.kind in (Kind.CLOSE, Kind.END)


def _refusal(event):
    return event.kind is Kind.RESPONSE


# 7.4 What now? -------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Meeting:
    """An end that a client meets, and what it should do next; `wrong` is said instead of the usual line."""

    end: str
    step: str
    why: str
    wrong: str = ""


BACK = "the server or the way will be back"
PROGRAM = "the same would happen again: somebody has to repair the program"

NOBODY = [
    Meeting("refused", "retry", BACK, "7.4 refused: ConnectionRefusedError (an OSError) came out of connect."),
    Meeting("silent", "retry", "TimeoutError: nobody answered the handshake, perhaps the next time somebody does"),
    Meeting("empty", "retry", "InvalidMessage: TCP ended without an answer, as when a server is just starting"),
]
STATUSES = [
    Meeting(
        "http 503",
        "retry",
        BACK,
        "7.4 503: this was an HTTP status before any connection existed; look at exc.response.status_code.",
    ),
    Meeting("http 401", "refresh_token", "the server does not know who you are: get a new token first"),
    Meeting("http 429", "retry_later", "too many requests: time must pass"),
    *(Meeting(f"http {status}", "retry", BACK) for status in (500, 502, 504)),
    *(Meeting(f"http {status}", "fix_code", PROGRAM) for status in (400, 403, 404, 426)),
]
CODED = [
    Meeting("1000", "done", "the conversation is over"),
    Meeting("1005", "done", "a close frame without a code is a normal end too"),
    Meeting("abort", "retry", BACK),
    Meeting("1001", "retry", BACK, "7.4 1001: the server is going away, you still want your data: retry."),
    Meeting("too big", "fix_code", PROGRAM, "7.4 1009: the same message will be too big again."),
    Meeting("black hole", "retry", "close_code is 1006; the 1011 in exc.sent was your own"),
    *(Meeting(code, "retry", BACK) for code in ("1011", "1012")),
    Meeting("1013", "retry_later", "try again later: time must pass"),
    Meeting("4401", "refresh_token", "4401 stands for what HTTP calls 401: get a new token first"),
    *(Meeting(code, "fix_code", PROGRAM) for code in ("4403", "1002", "1003", "1007", "1008", "1010")),
]


class Steps(Driver):
    """Meets an end beside the learner's code, whose function gets the real exception."""

    async def meet(self, url, end, quietly, open_timeout):
        exc = ws = None
        try:
            ws = await _begin(url, end, open_timeout)
            if quietly:
                async for _ in ws:
                    pass
            else:
                await ws.recv()
        except Exception as ended:
            exc = ended
        try:
            return self.answer(exc, ws.close_code if ws is not None else None)
        finally:
            if ws is not None:
                await ws.close()


@behaviour("7.4", "nobody is there: refused, silent, gone without a word")
async def nobody(answer):
    async with _bare(lambda writer: None) as silent, _bare(lambda writer: writer.close()) as empty:
        urls = {"refused": f"ws://127.0.0.1:{_free_port()}", "silent": silent, "empty": empty}
        async with answer.driven(Steps) as steps:
            await _judge_steps(steps, NOBODY, lambda meeting: urls[meeting.end], open_timeout=SILENT_S)


@behaviour("7.4", "the handshake was refused: an HTTP status")
async def statuses(answer):
    await _against_the_ender(answer, STATUSES)


@behaviour("7.4", "the connection ended: a close code, or none")
async def codes(answer):
    own = random.choice([number for number in range(4000, 5000) if number not in (4401, 4403)])
    await _against_the_ender(answer, [*CODED, Meeting(str(own), "fix_code", PROGRAM)])


@behaviour("7.4", "the loop ended quietly: there is no exception, only the code")
async def quiet(answer):
    quietly = [meeting for meeting in CODED if meeting.end in ("1000", "1001", "1005")]
    await _against_the_ender(answer, quietly, quietly=True)


async def _against_the_ender(answer, meetings, quietly=False):
    async with Ender().running() as ender, answer.driven(Steps) as steps:

        def show(meeting):
            answer.recording = ender.seen(meeting.end)

        await _judge_steps(steps, meetings, lambda meeting: ender.url(meeting.end), quietly=quietly, show=show)


async def _judge_steps(steps, meetings, url, *, quietly=False, open_timeout=OPEN_S, show=lambda meeting: None):
    calls = [steps.start("meet", url(meeting), meeting.end, quietly, open_timeout) for meeting in meetings]
    await asyncio.wait(calls, timeout=OPEN_S + 1)
    for meeting, call in zip(meetings, calls, strict=True):
        show(meeting)
        name = {"too big": "1009"}.get(meeting.end, meeting.end.removeprefix("http "))
        did = f"next_step(None, {name})" if quietly else f"next_step(...) after {name}"
        where = _refusal if meeting.end.startswith("http") else _last_word
        facts = {"did": did, "expected": repr(meeting.step), "where": where}
        if not call.done():
            raise NoAnswer(f"7.4 {name}: next_step has not returned. It only decides: nothing to wait for.", **facts)
        try:
            said = call.result()
        except Raised as exc:
            if meeting.end == "abort" and exc.isa("AttributeError"):
                line = "7.4 abort: AttributeError: exc.rcvd is None when no close frame came."
            else:
                line = (
                    meeting.wrong or f"7.4 {name}: next_step raised {exc}. Expected: {meeting.step}, for {meeting.why}."
                )
            raise Wrong(line, saw=str(exc), **facts) from None
        if said == meeting.step:
            continue
        if (meeting.end, said) == ("http 401", "retry"):
            line = '7.4 401: "retry" repeats a refused handshake for ever.'
        else:
            line = meeting.wrong or f"7.4 {name}: you said {said!r}. Expected: {meeting.step}, for {meeting.why}."
        raise Wrong(line, saw=repr(said), **facts)


@contextlib.asynccontextmanager
async def _bare(greet):
    """A port that takes connections and speaks no HTTP; `greet` is all that happens to them."""
    writers = []

    async def accept(reader, writer):
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")  # the handshake; unread, it would turn the end into a reset
        greet(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()


def _free_port():
    """A port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
