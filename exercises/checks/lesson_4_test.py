"""What the check of 4.5, a test that catches a silent server, looks at: which servers the learner's test accepts.

Every group of servers is tested once, all side by side; the score is the share of right ones accepted times the share
of wrong ones rejected, so that a test that says always the same scores nothing.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import string

from websockets import ConnectionClosed, broadcast

from wslab import serve
from wslab.judge import NoAnswer, Raised, Wrong, behaviour
from wslab.recording import record
from wslab.trace import DATA

SERVERS = 3
SLOW_S = 0.4  # well below the second that the exercise names
WITHIN_S = 12.0  # for one test: so much patience is nobody's mistake
WAITS = "it still waits"
SIDE_BY_SIDE = 5
TRIES = 3  # a machine that stands still may make a server too slow, but not three times in a row


def plain(text):
    return text


def wrapped(text):
    return json.dumps({"version": 2, "messages": [{"from": "somebody", "at": 1718000000, "body": text}]})


def shared(here, turn):
    return range(SERVERS)


def alone(here, turn):
    return [here]


def deaf(number):
    return lambda here, turn: [there for there in range(SERVERS) if there != number]


def mute(number):
    return lambda here, turn: [here] if here == number else range(SERVERS)


def in_turn(here, turn):
    return [turn % SERVERS]


def elsewhere(here, turn):
    return [there for there in range(SERVERS) if there != here]


@dataclasses.dataclass
class Group:
    """Three servers, right or wrong, and the line for a test that errs about them.

    `reached(here, turn)` says which servers tell their clients of message number `turn`, said at the server `here`.
    """

    name: str
    silent: bool
    line: str
    reached: object = shared
    form: object = plain
    greeting: str = ""
    notice: str = ""  # what every client is told beside the message, if anything
    slow: bool = False


GROUPS = [
    Group("plain servers", False, "4.5 right: your test rejected three servers that tell everybody everything."),
    Group(
        "greeting servers",
        False,
        "4.5 greeting: your test rejected right servers because they greet each client first.",
        greeting="hello, what have you got to say?",
    ),
    Group(
        "slow servers",
        False,
        "4.5 slow: your test rejected right servers because they are slow. Slow is not silent.",
        slow=True,
    ),
    Group(
        "wrapping servers",
        False,
        "4.5 wrapped: your test rejected right servers because they wrap the message in JSON. Look for your text in "
        "what comes.",
        form=wrapped,
    ),
    Group(
        "servers with news",
        False,
        "4.5 news: your test rejected right servers because they also send news.",
        notice=json.dumps({"type": "news", "body": "there is tea"}),
    ),
    Group(
        "servers without a backplane",
        True,
        "4.5 own server: your test accepted servers that tell only their own clients. Listen at all of them.",
        reached=alone,
    ),
    Group(
        "servers, the second of which is deaf",
        True,
        "4.5 deaf: your test accepted three servers of which the second tells its clients nothing. Listen at all of "
        "them.",
        reached=deaf(1),
    ),
    Group(
        "servers, the third of which is deaf",
        True,
        "4.5 deaf: your test accepted three servers of which the third tells its clients nothing. Listen at all of "
        "them.",
        reached=deaf(2),
    ),
    Group(
        "servers with a work queue",
        True,
        "4.5 work queue: your test accepted servers of which only one tells its clients, each time another one. Every "
        "client has to hear the same message.",
        reached=in_turn,
    ),
    Group(
        "servers, the third of which is mute",
        True,
        "4.5 mute: your test accepted three servers of which the third tells nothing to the others. Speak at all of "
        "them.",
        reached=mute(2),
    ),
    Group(
        "servers that forget their own clients",
        True,
        "4.5 own clients: your test accepted servers that tell all clients but their own. Listen also where you speak.",
        reached=elsewhere,
    ),
    Group(
        "greeting servers without a backplane",
        True,
        "4.5 any message: your test accepted silent servers that greet. It took the greeting for your message.",
        reached=alone,
        greeting="hello, what have you got to say?",
    ),
    Group(
        "servers that only say that there is something",
        True,
        "4.5 notice: your test accepted servers that tell the others that there is a message, and not which. Look for "
        "your text in what comes.",
        reached=alone,
        notice=json.dumps({"type": "notice", "unread": 1}),
    ),
]


@dataclasses.dataclass
class Tried:
    """What the learner's test did with one group; `said` to it are the messages of the test."""

    group: Group
    recording: object
    said: list
    verdict: str = "accepted"  # or "rejected", or what it raised, or WAITS

    @property
    def right(self):
        return self.verdict == ("rejected" if self.group.silent else "accepted")


@behaviour("4.5", "your test can pass, and it can fail")
async def decides(answer):
    tried = await _try_all(answer)
    for one in tried:
        if one.verdict not in ("accepted", "rejected"):
            answer.recording = one.recording
            facts = {"did": f"ran your test against {one.group.name}", "saw": one.verdict, "where": _spoken(one)}
            facts["expected"] = "rejected" if one.group.silent else "accepted"
            if one.verdict == WAITS:
                raise NoAnswer(
                    f"4.5 time-out: your test has not ended {WITHIN_S:g} s after it met {one.group.name}. Does it wait "
                    "for a message that never comes? Give up after a second.",
                    **facts,
                )
            raise Wrong(
                f"4.5 exception: with {one.group.name} your test raised {one.verdict}. It has to end quietly, or with "
                "AssertionError.",
                **facts,
            )
    answer.recording = tried[-1].recording
    verdicts = {one.verdict for one in tried}
    if verdicts == {"accepted"}:
        raise Wrong(
            "4.5 always passes: your test accepted all servers, also those that tell nobody. A test that cannot fail "
            "tests nothing.",
            where=_spoken(tried[-1]),
            **_score(tried),
        )
    if verdicts == {"rejected"}:
        raise Wrong(
            "4.5 always fails: your test rejected all servers, also the right ones. A test that cannot pass tests "
            "nothing.",
            **_score(tried),
        )


@behaviour("4.5", "your test accepts all right servers")
async def accepts(answer):
    _judge(answer, await _try_all(answer), silent=False)


@behaviour("4.5", "your test rejects all servers that keep something to themselves")
async def rejects(answer):
    _judge(answer, await _try_all(answer), silent=True)


def _judge(answer, tried, silent):
    for one in tried:
        if one.group.silent == silent and not one.right:
            answer.recording = one.recording
            raise Wrong(one.group.line, where=_spoken(one), **_score(tried))


def _score(tried):
    right, wrong = ([one for one in tried if one.group.silent == silent] for silent in (False, True))
    accepted, rejected = (sum(one.right for one in ones) for ones in (right, wrong))
    score = 100 * accepted * rejected // (len(right) * len(wrong))
    return {
        "did": f"ran your test against {len(tried)} groups of {SERVERS} servers",
        "expected": f"{len(right)} right groups accepted, {len(wrong)} wrong ones rejected: score 100",
        "saw": f"{accepted} right groups accepted, {rejected} wrong ones rejected: score {score}",
    }


def _spoken(one):
    """What the learner's test said last: all servers should have told it."""
    return lambda event: event.up and event.kind in DATA and event.text == (one.said or [None])[-1]


# The servers ---------------------------------------------------------------------------------------------------


async def _try_all(answer):
    """Run the learner's test against every group, some side by side; once for each judgement of an answer."""
    if not hasattr(answer, "tried"):
        places, tried = asyncio.Semaphore(SIDE_BY_SIDE), []
        await asyncio.gather(*(_try_group(answer, group, places, tried) for group in GROUPS))
        answer.tried = sorted(tried, key=lambda one: GROUPS.index(one.group))
    return answer.tried


async def _try_group(answer, group, places, tried):
    async with places:
        if any(one.verdict == WAITS for one in tried):  # that is enough to say
            return
        for _ in range(TRIES):
            one = await _try(answer, group)
            if one.right or group.silent or one.verdict != "rejected":
                break
        tried.append(one)


async def _try(answer, group):
    said = []
    handlers = _serving(group, said)
    letter = string.ascii_uppercase[GROUPS.index(group)]  # so that no two servers have the same name
    servers = [
        await serve(handler, name=f"Server {letter}{number}", close_timeout=0.1)
        for number, handler in enumerate(handlers, 1)
    ]
    with contextlib.ExitStack() as stack:
        tried = Tried(group, stack.enter_context(record(*servers)), said)
        try:
            await answer.call([server.url for server in servers], within=WITHIN_S)
        except NoAnswer:
            tried.verdict = WAITS
        except Raised as exc:
            tried.verdict = "rejected" if exc.isa("AssertionError") else str(exc).removesuffix(": ")
        finally:
            await asyncio.gather(*(server.stop() for server in servers))
    return tried


def _serving(group, said):
    """The handlers of three servers, and what joins them."""
    clients = [set() for _ in range(SERVERS)]
    turns = itertools.count(1)

    def handler_of(here):
        async def handler(ws):
            clients[here].add(ws)
            try:
                if group.greeting:
                    await ws.send(group.greeting)
                async for text in ws:
                    said.append(text)
                    text = text if isinstance(text, str) else text.decode(errors="replace")
                    asyncio.get_running_loop().call_later(SLOW_S if group.slow else 0, tell, here, text)
            except ConnectionClosed:
                pass
            finally:
                clients[here].discard(ws)

        return handler

    def tell(here, text):
        if group.notice:
            broadcast(set().union(*clients), group.notice)
        for there in group.reached(here, next(turns)):
            broadcast(clients[there], group.form(text))

    return [handler_of(here) for here in range(SERVERS)]
