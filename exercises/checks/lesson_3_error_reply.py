"""What the check of 3.4, the error reply, looks at, in the order in which a learner reads it."""

import asyncio
import json
import secrets
from typing import Any

from wslab.judge import Described, Driver, Raised, Wrong, behaviour

CODES = ("bad_json", "bad_message", "unknown_type", "bad_request", "internal")
SHOWN = 70  # characters of an input
CANCEL_S = 0.5
MISSING = object()


class Cancelling(Driver):
    """Cancels the learner's function while it waits for a route."""

    async def cancelled(self, raw):
        begun = asyncio.Event()

        async def endless(body):
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(self.answer(raw, {"endless": endless}))
        await asyncio.wait([task, waiting := asyncio.create_task(begun.wait())], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_S)
        if not task.done():
            return "it still ran"
        return "" if task.cancelled() else f"returned {task.result()!r}"


async def double(body):
    """A route that works."""
    await asyncio.sleep(0.001)
    return {"double": body + body}


@behaviour("3.4", "a good request is answered with its id and the route's result")
async def success(answer):
    for number, body in ((secrets.randbelow(900) + 100, "ab"), (f"req-{secrets.token_hex(2)}", 4), (0, ""), ("", [1])):
        raw = json.dumps({"id": number, "type": "double", "body": body})
        await _judge_success(answer, raw, {"double": double}, number, {"double": body + body})
    number = secrets.randbelow(900) + 100
    raw = json.dumps({"id": number, "type": "double", "body": "é"}).encode()
    await _judge_success(answer, raw, {"double": double}, number, {"double": "éé"})


@behaviour("3.4", "a request may lack its id or its body")
async def optional(answer):
    async def see(body):
        return {"saw": body}

    await _judge_success(answer, '{"type": "see", "body": 5}', {"see": see}, None, {"saw": 5})
    await _judge_success(answer, '{"id": 8, "type": "see"}', {"see": see}, 8, {"saw": None})


@behaviour("3.4", "JSON that is no request: bad_message")
async def bad_message(answer):
    routes = {"double": double}
    for raw in ("null", "3", "[]", '"double"', "true", "0", b"[]"):
        await _judge_failure(answer, raw, routes, "bad_message", None)
    for kind in (MISSING, None, 5, [], {}):
        number = secrets.randbelow(900) + 100
        request = {"id": number, "body": "ab"} | ({} if kind is MISSING else {"type": kind})
        await _judge_failure(answer, json.dumps(request), routes, "bad_message", number)


@behaviour("3.4", "what is no JSON at all: bad_json")
async def bad_json(answer):
    deep, long = "[" * 100_000, '{"id": ' + "7" * 5000 + "}"
    for raw in ('{"id": 1, "type": "dou', "", "double", b"\xff\x80\xff", b'{"id": "\xe9"}', deep, long):
        await _judge_failure(answer, raw, {"double": double}, "bad_json", None)


@behaviour("3.4", "a type without a route: unknown_type, with the id of the request")
async def unknown_type(answer):
    for number in (secrets.randbelow(900) + 100, f"req-{secrets.token_hex(2)}", 0):
        raw = json.dumps({"id": number, "type": f"no-{secrets.token_hex(2)}", "body": 1})
        await _judge_failure(answer, raw, {"double": double}, "unknown_type", number)


@behaviour("3.4", "a route that raises ValueError: bad_request")
async def bad_request(answer):
    async def refuse(body):
        raise ValueError("the amount must be positive")

    number = secrets.randbelow(900) + 100
    raw = json.dumps({"id": number, "type": "pay", "body": -1})
    await _judge_failure(answer, raw, {"pay": refuse}, "bad_request", number)


@behaviour("3.4", "a route that fails in any other way: internal, and nothing of it gets out")
async def internal(answer):
    messages = set()
    for error in (RuntimeError, KeyError, TypeError, AttributeError, IndexError, RecursionError, TimeoutError):
        secret = f"password-{secrets.token_hex(3)}"

        async def crash(body, error=error, secret=secret):
            raise error(secret)

        number = secrets.randbelow(900) + 100
        raw = json.dumps({"id": number, "type": "pay", "body": 1})
        reply = await _judge_failure(answer, raw, {"pay": crash}, "internal", number, secret=secret, error=error)
        messages.add(json.dumps(reply["error"]["message"]))
    if len(messages) > 1:
        raise Wrong(
            f"3.4 internal: the message changes with what went wrong inside: {' and '.join(sorted(messages)[:2])}. "
            'Always say the same, such as "internal error".',
            did="let routes fail in several ways",
            expected="one fixed message",
            saw=f"{len(messages)} messages",
        )


@behaviour("3.4", "a result that cannot become JSON: internal")
async def no_json(answer):
    for result in ({1, 2}, b"bytes", {"when": {3}}, [b""]):

        async def strange(body, result=result):
            return result

        number = secrets.randbelow(900) + 100
        raw = json.dumps({"id": number, "type": "strange"})
        reply = await _reply(answer, raw, {"strange": strange})
        if isinstance(reply, dict) and reply.get("ok") is True:
            raise Wrong(
                f"3.4 result: the route returned {result!r}, which json.dumps cannot write; your reply says ok. Try "
                'json.dumps before you say so, else answer "internal".',
                did=_did(raw),
                expected="an error with the code internal",
                saw=_text(reply),
            )
        _judge_error(raw, reply, "internal", number)


@behaviour("3.4", "cancelled while it waits: it ends")
async def cancelled(answer):
    async with answer.driven(Cancelling) as driver:
        raw = json.dumps({"id": 1, "type": "endless"})
        if saw := await driver.do("cancelled", raw):
            raise Wrong(
                "3.4 cancel: CancelledError was swallowed: the server could not be stopped.",
                did=f"{_did(raw)} and cancelled it while the route waited",
                expected="CancelledError goes through",
                saw=saw,
            )


# What all of them use ------------------------------------------------------------------------------------------------


async def _reply(answer, raw, routes, error=None):
    """What the learner's function returns; nothing may leave it as an exception."""
    try:
        return await answer.call(raw, routes)
    except Raised as exc:
        if error is not None:
            raise Wrong(
                f"3.4 internal: the route raised {error.__name__}, and your function raised {exc.type}; on a server "
                "this would close the connection with 1011.",
                did=_did(raw),
                expected="an error with the code internal",
                saw=str(exc),
            ) from None
        raise Wrong(
            f"3.4 input {_shown(raw)}: raised {exc.type}; on a server this would close the connection with 1011.",
            did=_did(raw),
            expected="a reply",
            saw=str(exc),
        ) from None


async def _judge_success(answer, raw, routes, number, body):
    reply = await _reply(answer, raw, routes)
    _judge_form(raw, reply)
    facts: dict[str, Any] = {
        "did": _did(raw),
        "expected": _text({"id": number, "ok": True, "body": body}),
        "saw": _text(reply),
    }
    if isinstance(reply.get("body"), Described) and reply["body"].type == "coroutine":
        raise Wrong("3.4 success: body is a coroutine object, not its result.", **facts)
    if reply.get("ok") is not True or "error" in reply:
        raise Wrong(f'3.4 success: the reply to a good request must say "ok": true, saw {_text(reply)}.', **facts)
    if not _same(reply.get("id", MISSING), number):
        raise Wrong(
            f"3.4 success: the reply has the id {_text(reply.get('id'))}, the request {_text(number)}.", **facts
        )
    if reply.get("body", MISSING) != body:
        raise Wrong(
            f"3.4 success: body is {_text(reply.get('body'))}; it should be what the route returned: {_text(body)}. A "
            "route gets the body of the request, or None where there is none.",
            **facts,
        )


async def _judge_failure(answer, raw, routes, code, number, secret="", error=None):
    reply = await _reply(answer, raw, routes, error)
    if secret and secret in _text(reply):
        raise Wrong(
            f'3.4 leak: the reply contains "{secret}". Say "internal error" and log the rest.',
            did=f"{_did(raw)}; the route raised {error.__name__}({secret!r})",
            expected="a fixed message",
            saw=_text(reply),
        )
    _judge_error(raw, reply, code, number, f"; the route raised {error.__name__}" if error else "")
    return reply


def _judge_error(raw, reply, code, number, more=""):
    _judge_form(raw, reply)
    error = reply.get("error")
    found = error.get("code") if isinstance(error, dict) else error
    facts: dict[str, Any] = {
        "did": _did(raw) + more,
        "expected": _text({"id": number, "ok": False, "error": {"code": code, "message": "..."}}),
        "saw": _text(reply),
    }
    if found not in CODES:
        raise Wrong(f"3.4 shape: error.code must be one of {', '.join(CODES)}, saw {_text(found)}.", **facts)
    if reply.get("ok") is not False:
        raise Wrong(f'3.4 shape: the request failed, so "ok" must be false, saw {_text(reply.get("ok"))}.', **facts)
    if found != code:
        raise Wrong(f"3.4 {code}: the reply says {found}.{MEANT[code]}", **facts)
    if not isinstance(error.get("message"), str) or not error["message"]:
        raise Wrong(f"3.4 shape: error.message must be a text, saw {_text(error.get('message'))}.", **facts)
    if not _same(reply.get("id", MISSING), number):
        if number is not None and reply.get("id") is None:
            raise Wrong(
                f"3.4 {code}: the reply has id null although the request had {_text(number)}: the caller waits until "
                "time-out.",
                **facts,
            )
        raise Wrong(f"3.4 {code}: the reply has the id {_text(reply.get('id'))}, expected {_text(number)}.", **facts)


MEANT = {
    "bad_json": " What cannot be read as JSON is bad_json.",
    "bad_message": ' It is JSON, but no object with a text as "type".',
    "unknown_type": " The type is a text, and no route has that name.",
    "bad_request": " The route raised ValueError: what it was asked for makes no sense.",
    "internal": " The fault lies inside, not in the request: mind which try the route is called in.",
}


def _judge_form(raw, reply):
    if not isinstance(reply, dict):
        raise Wrong(
            f"3.4 reply: your function returned {_kind(reply)}, expected a dictionary, whatever comes in.",
            did=_did(raw),
            expected="a dictionary",
            saw=_text(reply),
        )


def _kind(value):
    return value.type if isinstance(value, Described) else type(value).__name__


def _same(one, other):
    return type(one) is type(other) and one == other


def _text(value):
    """`value` as JSON where that is possible."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


def _shown(raw):
    text = raw if isinstance(raw, str) else repr(raw)
    if not text:
        return '""'
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(raw)} characters)"


def _did(raw):
    return f"reply_for({_shown(repr(raw) if isinstance(raw, str) else raw)}, routes)"
