"""What a behaviour may do with an answer: every shape of exercise, with values and collaborators that cross as data."""

from __future__ import annotations

import asyncio
import functools
import math
import textwrap

import pytest

from wslab import check
from wslab.report import NotSolved
from wslab.values import Described, Raised, Unpack, pack, pack_exception, unpack_exception


@pytest.fixture
def exercise(tmp_path, monkeypatch):
    """Make an exercise "9.1" of a check's source; `names` are what it asks for."""

    def make(source, names=()):
        (tmp_path / "checks").mkdir()
        (tmp_path / "checks" / "lesson_9.py").write_text(textwrap.dedent(source), encoding="utf-8")
        asked = f"names = {list(names)!r}" if names else ""
        (tmp_path / "exercises.toml").write_text(
            f'["9.1"]\nlesson = "09_any"\nlimit_s = 10\n{asked}\n', encoding="utf-8"
        )
        monkeypatch.setenv("WSLAB_EXERCISES", str(tmp_path))
        return functools.partial(check, "9.1")

    return make


# Values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        10**5000,
        1.5,
        math.inf,
        "é\ud800\n",
        b"\x00\xff",
        bytearray(b"a"),
        [1, [2]],
        (1, (2,)),
        {1, 2},
        frozenset({"a"}),
        {1: "a", (2, 3): None, "$": {"$": 1}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values_arrive_as_what_they_were(value):
    """Every built-in type crosses unchanged, keys that look like tags included."""
    arrived = Unpack()(pack(value))
    assert arrived == value and type(arrived) is type(value)


def test_not_a_number_arrives():
    """NaN is no JSON, and crosses all the same."""
    assert math.isnan(Unpack()(pack(math.nan)))


def test_what_is_no_plain_data_is_described_and_never_trusted():
    """An object that claims to equal everything arrives as a text."""

    class Trick(str):
        __eq__ = lambda self, other: True  # noqa: E731
        __hash__ = str.__hash__

    arrived = Unpack()(pack([Trick("x"), print, True]))
    assert arrived == [Described("Trick", "'x'"), Described("builtin_function_or_method", repr(print)), True]
    assert arrived[0] != "x"


def test_hostile_objects_are_described():
    """A repr that raises, a nest without end and an object without end stop nothing."""

    class Hostile:
        def __repr__(self):
            raise SystemExit

    endless = []
    endless.append(endless)
    assert "raised SystemExit" in Unpack()(pack(Hostile())).text
    assert pack(endless)


def test_exceptions_arrive_with_what_they_carry():
    """Type, text, base classes, plain attributes, and what was asked for."""

    class BadMessage(ValueError):
        size = property(lambda self: 7)

        def __init__(self, code):
            super().__init__(f"bad: {code}")
            self.code = code

    arrived = unpack_exception(pack_exception(BadMessage("too_big"), ("size",)))
    assert isinstance(arrived, Raised) and str(arrived) == "BadMessage: bad: too_big"
    assert arrived.isa("ValueError") and not arrived.isa("KeyError")
    assert arrived.attributes == {"code": "too_big", "size": 7}


# Functions -----------------------------------------------------------------------------------------------------


def test_several_functions_with_named_arguments(exercise):
    """`named` reaches each object that the exercise asks for; exceptions bring their code."""
    run = exercise(
        """
        from wslab.judge import Raised, behaviour

        @behaviour("9.1", "there and back")
        async def back(answer):
            text = await answer.call("greet", {1, 2}, id=7)
            assert await answer.named("decode").call(text, max_bytes=100) == ("greet", {1, 2}, 7)
            try:
                await answer.named("decode").call(text, max_bytes=1)
            except Raised as exc:
                assert exc.isa("ValueError") and exc.attributes["code"] == "too_big"
            else:
                raise AssertionError
        """,
        ["encode", "decode"],
    )

    class BadMessage(ValueError):
        def __init__(self, code):
            self.code = code

    def encode(type, body=None, *, id=None):
        return repr((type, body, id))

    async def decode(raw, *, max_bytes):
        if len(raw) > max_bytes:
            raise BadMessage("too_big")
        return eval(raw)

    assert run(encode, decode).verdict.passed


# Collaborators -------------------------------------------------------------------------------------------------


def test_collaborators_of_every_kind(exercise):
    """Functions, objects, iterators, a clock, a logger and an event stay at the check, which sees every use."""
    run = exercise(
        """
        import asyncio, logging
        from wslab.judge import behaviour

        class Store:
            limit = 3
            def __init__(self):
                self.rows, self.size = {}, 2
            async def put(self, key, value):
                self.rows[key] = value
            def count(self):
                return len(self.rows)
            async def subscribe(self, subject, *, cb):
                await cb(f"{subject}!")
                return Subscription()

        class Subscription:
            ended = 0
            async def unsubscribe(self):
                Subscription.ended += 1

        async def feed():
            for number in range(3):
                yield number

        async def failing(reason):
            raise LookupError(reason)

        class Keep(logging.Handler):
            def __init__(self):
                super().__init__()
                self.records = []
            def emit(self, record):
                self.records.append(record)

        @behaviour("9.1", "all of them are used here")
        async def used(answer):
            store, log, keep, seen = Store(), logging.Logger("check"), Keep(), []
            log.addHandler(keep)
            stop = await answer.event()
            call = answer.start(store, feed(), lambda: 12.5, failing, log, seen.append, within=3.0, stop=stop)
            while len(seen) < 2 and not call.done():
                await asyncio.sleep(0.01)
            await stop.set()
            assert await call == [0, 1, 2, 12.5, "LookupError: why", 2]
            assert store.rows == {"a": b"1"} and seen == ["news!", "waiting"] and Subscription.ended == 1
            [record] = keep.records
            assert (record.levelname, record.getMessage(), record.error_id) == ("ERROR", "it failed: 7", 7)
            assert "Traceback" in record.exc_text and "LookupError: why" in record.exc_text
        """
    )

    async def answer(store, feed, now, process, log, tell, *, stop):
        found = [number async for number in feed] + [now()]
        await store.put("a", b"1")
        try:
            await process("why")
        except LookupError as exc:
            found.append(f"{type(exc).__name__}: {exc}")
            log.exception("it failed: %d", 7, extra={"error_id": 7})
        subscription = await store.subscribe("news", cb=tell)
        tell("waiting")
        await stop.wait()
        await subscription.unsubscribe()
        return [*found, store.size]

    assert run(answer).verdict.passed


def test_what_the_learner_withdraws_is_withdrawn_at_the_check(exercise):
    """A collaborator that is cancelled at the learner's end is cancelled where it runs."""
    run = exercise(
        """
        import asyncio
        from wslab.judge import behaviour

        @behaviour("9.1", "the wait is over on both ends")
        async def over(answer):
            ended = asyncio.Event()

            async def slow():
                try:
                    await asyncio.sleep(30)
                finally:
                    ended.set()

            assert await answer.call(slow) == "too slow"
            await asyncio.wait_for(ended.wait(), 1)
        """
    )

    async def answer(slow):
        try:
            await asyncio.wait_for(slow(), 0.05)
        except TimeoutError:
            return "too slow"

    assert run(answer).verdict.passed


# Drivers -------------------------------------------------------------------------------------------------------

HUB = """
    import asyncio
    from wslab.judge import Driver, NoAnswer, Raised, Wrong, behaviour

    class Hubs(Driver):
        async def open(self, limit):
            self.hub = self.answer(limit)
            for name in "A", "B":
                await self.serve(self.hub.handler, name=name)

        def publish(self, text):
            self.hub.publish(text)
            return len(self.hub.clients)

        async def another(self):
            await self.serve(self.hub.handler, name="C")

    @behaviour("9.1", "what is published reaches every client of every server")
    async def reach(answer):
        async with answer.driven(Hubs, 2) as hub:
            await hub.do("another")
            clients = [await server.connect(name) for name, server in hub.servers.items()]
            await asyncio.sleep(0.05)
            if await hub.do("publish", "news") != 3:
                raise Wrong("9.1 count: somebody is missing")
            for client, server in zip(clients, hub.servers.values(), strict=True):
                assert await server.receive(client, "published") == "news"
        assert len(answer.recording.trace) > 6
"""


class Hub:
    def __init__(self, limit):
        self.clients = set()

    async def handler(self, ws):
        self.clients.add(ws)
        await ws.wait_closed()
        self.clients.discard(ws)

    def publish(self, text):
        for client in self.clients:
            asyncio.ensure_future(client.send(text))  # noqa: RUF006


def test_drivers_serve_and_operate(exercise):
    """A driver runs beside the learner's object; the servers that it starts are tapped by the check."""
    assert exercise(HUB)(Hub).verdict.passed


def test_a_driver_meets_exceptions_of_the_learner(exercise, capsys):
    """What the learner's constructor raises is told like any exception."""

    class Broken(Hub):
        def __init__(self):
            pass

    with pytest.raises(NotSolved) as caught:
        exercise(HUB)(Broken)
    assert "9.1 exception: your code raised TypeError" in caught.value.report.verdict.wrong.line


def test_a_check_that_trips_over_an_answer_says_so(exercise, capsys):
    """What a behaviour did not foresee fails the exercise, in a line."""
    source = """
        from wslab.judge import behaviour

        @behaviour("9.1", "a number")
        async def number(answer):
            assert await answer.call() + 1
    """
    with pytest.raises(NotSolved) as caught:
        exercise(source)(lambda: "x")
    assert caught.value.report.verdict.wrong.line.startswith("9.1 result: the check could make nothing of what")
