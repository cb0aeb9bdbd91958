"""What the check of 7.5, a test that catches a leak, looks at: which servers the learner's test accepts and rejects.

Every server is asked once; the score is the share of right ones accepted times the share of wrong ones rejected, so
that a test that says always the same scores nothing.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import random
import traceback
from collections.abc import Callable

from websockets import ConnectionClosed

from wslab import serve
from wslab.judge import NoAnswer, Raised, Wrong, behaviour
from wslab.recording import record
from wslab.trace import DATA

SLOW_S = 0.4  # well below the second that the exercise names
WITHIN_S = 8.0  # for one test: so much patience is nobody's mistake


@dataclasses.dataclass
class Kind:
    """A server, right or wrong: what it sends when a request has failed, and the line for a test that errs about it."""

    name: str
    leaks: bool
    line: str
    reply: Callable[[dict, Exception], list[str]]
    greets: bool = False
    slow: bool = False


def _error(request, **more):
    return {"id": request["id"], "ok": False, "error": {"code": "internal", "message": "internal error"} | more}


def _plain(request, exc):
    return [json.dumps(_error(request, error_id=f"E{next(_numbers)}"))]


def _wrapped(request, exc):
    return [json.dumps({"version": 2, "reply": [_error(request, error_id=f"E{next(_numbers)}")], "time_ms": 3})]


def _with_news(request, exc):
    return [json.dumps({"type": "news", "body": "tea is ready"}), *_plain(request, exc)]


def _in_words(request, exc):
    return [f"Sorry, something went wrong. Your number: E{next(_numbers)}"]


def _text(request, exc):
    return [json.dumps(_error(request, message=str(exc)))]


def _trace(request, exc):
    return [json.dumps(_error(request) | {"debug": {"trace": traceback.format_exception(exc)}})]


def _beside(request, exc):
    return [json.dumps({"type": "log", "body": f"ERROR {exc!r}"}), *_plain(request, exc)]


def _after(request, exc):
    return [*_plain(request, exc), json.dumps({"type": "log", "body": f"ERROR {exc!r}"})]


_numbers = itertools.count(1)

KINDS = [
    Kind("Plain server", False, "7.5 right: your test rejected a server that tells nothing internal.", _plain),
    Kind(
        "Greeting server",
        False,
        "7.5 greeting: your test rejected a right server because it greets before it answers.",
        _plain,
        greets=True,
    ),
    Kind(
        "Slow server",
        False,
        "7.5 slow: your test rejected a right server because it is slow. Slow is no leak.",
        _plain,
        slow=True,
    ),
    Kind(
        "Wrapping server",
        False,
        "7.5 wrapped: your test rejected a right server because its JSON is built otherwise. What it tells counts, not "
        "how.",
        _wrapped,
    ),
    Kind(
        "News server",
        False,
        "7.5 news: your test rejected a right server because it sends news, too.",
        _with_news,
        greets=True,
    ),
    Kind(
        "Wordy server", False, "7.5 words: your test rejected a right server because its answer is no JSON.", _in_words
    ),
    Kind(
        "Server that tells the text",
        True,
        "7.5 one word: your test accepted a server whose error reply holds the text of the exception. Look for what "
        "only the inside knows: the body that you sent.",
        _text,
    ),
    Kind(
        "Server that tells the trace",
        True,
        "7.5 nested: your test accepted a server that hides the traceback deep in its JSON. Look at the whole message.",
        _trace,
    ),
    Kind(
        "Server that greets and tells",
        True,
        "7.5 first message: your test accepted a server that greets and then leaks. Look at every message, not only at "
        "the first.",
        _text,
        greets=True,
    ),
    Kind(
        "Slow server that tells",
        True,
        "7.5 patience: your test accepted a server that leaks slowly: it gave up before the answer came.",
        _text,
        slow=True,
    ),
    Kind(
        "Server that logs aloud",
        True,
        "7.5 beside: your test accepted a server that leaks beside its clean error reply. Look at every message, not "
        "only at the reply.",
        _beside,
    ),
    Kind(
        "Server that adds",
        True,
        "7.5 after: your test accepted a server that leaks in a message after its clean error reply. Go on listening "
        "until nothing comes for a second.",
        _after,
    ),
]


@dataclasses.dataclass
class Tried:
    """What the learner's test did with one server."""

    kind: Kind
    recording: object
    bodies: list
    said: str = "accepted"  # or "rejected", or "still waits", or what it raised

    @property
    def right(self):
        return self.said == ("rejected" if self.kind.leaks else "accepted")


@behaviour("7.5", "your test can pass, and it can fail")
async def decides(answer):
    tried = await _try_all(answer)
    for one in tried:
        answer.recording, server = one.recording, f"a {one.kind.name.lower()}"
        facts = {"did": f"ran your test against {server}", "expected": "an end", "saw": one.said}
        if one.said == "still waits":
            raise NoAnswer(
                f"7.5 time-out: your test has not ended {WITHIN_S:g} s after it met {server}. Servers keep connections "
                "open: stop listening when nothing comes for a second.",
                **facts,
            )
        if one.said not in ("accepted", "rejected"):
            raise Wrong(
                f"7.5 exception: with {server} your test raised {one.said}. It has to end quietly, or with "
                "AssertionError.",
                **facts,
            )
    said = {one.said for one in tried}
    if said == {"accepted"}:
        raise Wrong(
            "7.5 always passes: your test accepted every server, also those that leak. A test that cannot fail tests "
            "nothing.",
            where=_leak(tried[-1]),
            **_score(tried),
        )
    if said == {"rejected"}:
        _judge_bodies(tried)
        raise Wrong(
            "7.5 always fails: your test rejected every server, also the right ones. A test that cannot pass tests "
            "nothing.",
            **_score(tried),
        )


@behaviour("7.5", "your test accepts every right server")
async def accepts(answer):
    tried = await _try_all(answer)
    _judge_bodies(tried)
    _judge_kinds(answer, tried, leaks=False)


@behaviour("7.5", "your test rejects every server that leaks")
async def rejects(answer):
    _judge_kinds(answer, await _try_all(answer), leaks=True)


def _judge_kinds(answer, tried, leaks):
    for one in tried:
        if one.kind.leaks == leaks and not one.right:
            answer.recording = one.recording
            raise Wrong(one.kind.line, where=_leak(one) if leaks else None, **_score(tried))


def _judge_bodies(tried):
    """A body that right servers say anyway cannot tell what is theirs."""
    for one in tried:
        for body in one.bodies:
            if not one.kind.leaks and one.said == "rejected" and any(map(_leak(one), one.recording.trace)):
                raise Wrong(
                    f"7.5 body: your test sends {body!r}, which a right server may say, too. Send something that "
                    "nobody says by chance.",
                    **_score(tried),
                )


def _score(tried):
    right, wrong = ([one for one in tried if one.kind.leaks == leaks] for leaks in (False, True))
    accepted, rejected = (sum(one.right for one in ones) for ones in (right, wrong))
    score = 100 * accepted * rejected // (len(right) * len(wrong))
    return {
        "did": f"ran your test against {len(tried)} servers",
        "expected": f"{len(right)} right servers accepted, {len(wrong)} wrong ones rejected: score 100",
        "saw": f"{accepted} right servers accepted, {rejected} wrong ones rejected: score {score}",
    }


def _leak(one):
    """The arrow that tells what the learner's test had sent."""
    return lambda event: not event.up and event.kind in DATA and any(str(body) in event.text for body in one.bodies)


# The servers ---------------------------------------------------------------------------------------------------


async def _try_all(answer):
    """Run the learner's test against every server, side by side; once for each judgement of an answer."""
    if not hasattr(answer, "tried"):
        shuffled = random.sample(KINDS, len(KINDS))  # a test knows a server by what it says, not by its number
        tried = await asyncio.gather(*(_try(answer, kind) for kind in shuffled))
        answer.tried = sorted(tried, key=lambda one: KINDS.index(one.kind))
    return answer.tried


async def _try(answer, kind):
    bodies = []
    server = await serve(_serving(kind, bodies), name=kind.name, close_timeout=0.1)
    with contextlib.ExitStack() as stack:
        tried = Tried(kind, stack.enter_context(record(server)), bodies)
        try:
            await answer.call(server.url, within=WITHIN_S)
        except NoAnswer:
            tried.said = "still waits"
        except Raised as exc:
            tried.said = "rejected" if exc.isa("AssertionError") else str(exc)
        finally:
            await server.stop()
    return tried


def _serving(kind, bodies):
    async def handler(ws):
        with contextlib.suppress(ConnectionClosed):  # a client may leave at any time
            await serve_one(ws)

    async def serve_one(ws):
        if kind.greets:
            await ws.send(json.dumps({"type": "welcome", "body": "what can we do for you?"}))
        async for text in ws:
            try:
                request = json.loads(text)
                if request["type"] == "crash":
                    bodies.append(request["body"])
                    raise RuntimeError(f"cannot work on {request['body']}")
                replies = [json.dumps({"id": request["id"], "ok": True, "body": request["body"]})]
            except RuntimeError as exc:
                replies = kind.reply(request, exc)
            except (ValueError, TypeError, KeyError):
                replies = [json.dumps({"id": None, "ok": False, "error": {"code": "bad_message"}})]
            if kind.slow:
                await asyncio.sleep(SLOW_S)
            for reply in replies:
                await ws.send(reply)

    return handler
