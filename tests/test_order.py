"""The canonical order is one for all interleavings, and never draws an effect before its known cause."""

import time
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from wslab.order import canonical
from wslab.trace import ASKING, ENDING, OPENING, Cause, Event, Kind, Trace


class Line:
    """Writes events of one connection down as its tap would."""

    def __init__(self, name, life=0, tap="Server"):
        self.name, self.life, self.tap = name, life, tap
        self.events, self.ups, self.downs = [], 0, 0

    def add(self, kind, up=True, **fields):
        event = Event(
            kind=kind,
            up=up,
            source=self.name if up else "Server",
            target="Server" if up else self.name,
            connection=self.name,
            life=self.life,
            tap=self.tap,
            number=len(self.events),
            **fields,
        )
        self.events.append(event)
        return event

    def open(self):
        self.add(Kind.REQUEST, headline=f"GET /?name={self.name}")
        self.add(Kind.RESPONSE, up=False, code=101)

    def says(self, text, **fields):
        self.ups += 1
        return self.add(Kind.TEXT, payload=text.encode(), ordinal=self.ups - 1, **fields)

    def hears(self, text, cause=None, **fields):
        self.downs += 1
        return self.add(Kind.TEXT, up=False, payload=text.encode(), ordinal=self.downs - 1, cause=cause, **fields)


def beside(kind, text, cause=None, **fields):
    connection = cause.connection if cause else ""
    return Event(
        kind=kind,
        source="Server",
        target=str(kind),
        connection=connection,
        payload=text.encode(),
        cause=cause,
        **fields,
    )


def says(rows):
    """What the rows show, with the mark of free order."""
    return [f"{'┊' if row.free else ''}{row.event.connection} {row.event.text or row.event.kind}" for row in rows]


def draw(events):
    return says(canonical(Trace(events)))


def interleavings(lines, count=200):
    """Mixtures of the lines that keep each line's own order, at most `count` of them."""
    marks = [i for i, line in enumerate(lines) for _ in line]
    found = set()
    for order in permutations(marks):
        found.add(order)
        if len(found) == count:
            break
    for order in found:
        rest = [iter(line) for line in lines]
        yield [next(rest[i]) for i in order]


# One connection


def test_one_connection_stays_as_it_was():
    """On one connection the order is the tap's."""
    ada = Line("ada")
    ada.open()
    for i in range(3):
        ada.says(f"q{i}")
    for i in (1, 2, 0):
        ada.hears(f"a{i}", Cause("ada", i, 0))
    rows = canonical(Trace(ada.events))
    assert [row.event for row in rows] == ada.events
    assert [row.number for row in rows] == list(range(1, 9)) and not any(row.free for row in rows)


def test_keepalive_is_left_out():
    """Keepalive pings are drawn only when asked for."""
    ada = Line("ada")
    ada.says("q")
    ada.add(Kind.PING, up=False, keepalive=True)
    ada.add(Kind.PONG, keepalive=True)
    ada.add(Kind.PING, payload=b"mine")
    assert [row.event.kind for row in canonical(Trace(ada.events))] == [Kind.TEXT, Kind.PING]
    assert len(canonical(Trace(ada.events), show_pings=True)) == 4


def test_steps_come_first():
    """What belongs to a later step stands below, whatever its name."""
    one, two = Line("zoe"), Line("ada")
    one.says("first", step=0)
    two.says("second", step=1)
    assert draw(two.events + one.events) == ["zoe first", "ada second"]


# Several connections


def test_broadcast_in_any_order():
    """However a broadcast to a set was written, it is drawn by name, joined by ┊, below its message."""
    expected = ["ada hello", "ada hello", "┊bob hello", "┊cyd hello", "┊dan hello"]
    for order in permutations("abcd"):
        lines = {name[0]: Line(name) for name in ("ada", "bob", "cyd", "dan")}
        events = [lines["a"].says("hello")]
        events += [lines[letter].hears("hello", Cause("ada", 0, i)) for i, letter in enumerate(order)]
        assert draw(events) == expected


def test_five_close_at_once():
    """Connections that close side by side are drawn by name, in layers."""
    lines = [Line(name) for name in ("ada", "bob", "cyd")]
    for line in lines:
        line.add(Kind.CLOSE)
        line.add(Kind.CLOSE, up=False)
        line.add(Kind.END, up=False)
    texts = {tuple(draw(mixed)) for mixed in interleavings([line.events for line in lines])}
    assert len(texts) == 1
    assert texts.pop()[:4] == ("ada close", "┊bob close", "┊cyd close", "ada close")


def test_broadcast_after_an_end():
    """ "Bob left" stands below the end of Bob's connection, even if the handler noticed first."""
    ada, bob = Line("ada"), Line("bob")
    end = bob.add(Kind.END, note="RST")
    left = ada.hears("bob left", Cause("bob", ENDING, 0))
    assert draw([end, left]) == draw([left, end]) == ["bob end", "ada bob left"]


def test_same_frame_at_two_taps():
    """A message seen at two taps causes what its handler did, in both."""
    front, back = Line("ada", tap="front"), Line("ada", tap="s1")
    events = [front.says("q"), back.says("q"), back.hears("a", Cause("ada", 0, 0)), front.hears("a")]
    assert [row.event.tap for row in canonical(Trace(events))] == ["front", "s1", "front", "s1"]


# What a handler does beside the wire


def test_sql_and_log_between_request_and_answer():
    """Statements and log lines stand between request and answer, in the order of the program."""
    ada = Line("ada")
    question = ada.says("save")
    steps = [
        beside(Kind.SQL, "INSERT", Cause("ada", 0, 0)),
        beside(Kind.LOG, "saved", Cause("ada", 0, 1)),
        beside(Kind.SQL, "COMMIT", Cause("ada", 0, 2)),
        ada.hears("ok", Cause("ada", 0, 3)),
        beside(Kind.LOG, "answered", Cause("ada", 0, 4)),
    ]
    expected = ["ada save", "ada INSERT", "ada saved", "ada COMMIT", "ada ok", "ada answered"]
    for order in permutations(steps):
        assert draw([question, *order]) == expected


def test_sequential_handler_with_pipelined_requests():
    """What a handler itself did for one message stands above all that was done for the next."""
    ada = Line("ada")
    events = [ada.says("one"), ada.says("two")]
    events += [beside(Kind.SQL, f"1{c}", Cause("ada", 0, i, own=True)) for i, c in enumerate("abc")]
    events += [ada.hears("answer 1", Cause("ada", 0, 3, own=True))]
    events += [beside(Kind.SQL, f"2{c}", Cause("ada", 1, i)) for i, c in enumerate("ab")]  # in a thread
    events += [ada.hears("answer 2", Cause("ada", 1, 2, own=True))]
    expected = "one two 1a 1b 1c answer_1 2a 2b answer_2".split()
    assert (
        draw(events)
        == draw(events[:2] + events[6:8] + events[2:6] + events[8:])
        == [f"ada {text.replace('_', ' ')}" for text in expected]
    )


def test_tasks_of_several_messages():
    """Statements of tasks that run side by side get one order, by message, whichever came first."""
    ada = Line("ada")
    asked = [ada.says("one"), ada.says("two")]
    lines = [[beside(Kind.SQL, f"{m + 1}{c}", Cause("ada", m, i)) for i, c in enumerate("ab")] for m in range(2)]
    texts = {tuple(draw(asked + mixed)) for mixed in interleavings(lines)}
    assert texts == {("ada one", "ada two", "ada 1a", "ada 1b", "ada 2a", "ada 2b")}


def test_statements_before_the_handshake_is_answered():
    """What `process_request` does stands between the opening request and its answer."""
    ada = Line("ada")
    ada.open()
    lookups = [beside(Kind.SQL, f"look {i}", Cause("ada", ASKING, i, own=True)) for i in range(3)]
    start = beside(Kind.LOG, "joined", Cause("ada", OPENING, 0, own=True))
    expected = ["ada request", "ada look 0", "ada look 1", "ada look 2", "ada response", "ada joined"]
    assert draw([*ada.events, *lookups, start]) == draw([*lookups, start, *ada.events]) == expected


# Pushes


def test_push_with_no_known_cause():
    """A push to a silent lane stands below the input that opened the step, not above."""
    ada, bob = Line("ada"), Line("bob")
    save = bob.says("save", at=0.1)
    push = ada.hears("news", at=0.2)
    assert draw([save, push]) == ["bob save", "ada news"]


def test_push_before_anything():
    """A push that was first has nothing to wait for."""
    ada, bob = Line("ada"), Line("bob")
    push = ada.hears("tick", at=0.1)
    save = bob.says("save", at=0.2)
    assert draw([push, save]) == ["bob save", "ada tick"]
    assert [row.depth for row in canonical(Trace([push, save]))] == [0, 0]


# One name, several connections


def test_client_that_comes_back():
    """A second connection of one name stands below the first, even if the news of the first's end came late."""
    one, two = Line("ada"), Line("ada", life=1)
    for line, word in ((one, "old"), (two, "new")):
        line.open()
        line.says(f"{word} question")
        line.hears(f"{word} answer", Cause("ada", 0, 0, line.life))
        line.add(Kind.END)
    expected = says(canonical(Trace(one.events + two.events)))
    assert expected[2:4] == ["ada old question", "ada old answer"] and expected[7:9] == [
        "ada new question",
        "ada new answer",
    ]
    for late in range(1, 5):
        mixed = one.events[:-1] + two.events[:late] + one.events[-1:] + two.events[late:]
        assert draw(mixed) == expected


def test_damaged_recording_with_a_circle():
    """Causes that go round in a circle, as only a damaged file has them, do not hang the order."""
    ada = Line("ada")
    ada.hears("effect", Cause("ada", 0, 0))
    ada.says("cause")
    assert len(canonical(Trace(ada.events))) == 2


# Any traffic


@st.composite
def traffic(draw_):
    """Each connection's own events and each handler's deeds, with what every event needs above it."""
    names = ["ada", "bob", "cyd"][: draw_(st.integers(1, 3))]
    lines = {name: Line(name) for name in names}
    sources = []
    for name in names:
        for _ in range(draw_(st.integers(0, 3))):
            message = lines[name].ups
            lines[name].says(f"{name}{message}")
            sources.append((name, message))
    deeds = []
    for name, message in sources:
        for turn in range(draw_(st.integers(0, 3))):
            cause = Cause(name, message, turn)
            if draw_(st.booleans()):
                deeds.append(beside(Kind.SQL, f"{name}{message}.{turn}", cause))
            else:
                receiver = draw_(st.sampled_from(names))
                lines[receiver].hears(f"{name}{message}.{turn}", cause)
    return [line.events for line in lines.values()], deeds


def mixtures(connections, deeds, draw_):
    """The connections' events shuffled together, each keeping its own order, with the deeds after their messages."""
    rest = [list(line) for line in connections if line] + [[deed] for deed in deeds]
    mixed = []
    while rest:
        i = draw_(st.integers(0, len(rest) - 1))
        mixed.append(rest[i].pop(0))
        rest = [line for line in rest if line]
    return mixed


@settings(max_examples=100, deadline=None)
@given(traffic(), st.data())
def test_any_interleaving(sample, data):
    """All interleavings of the same traffic have the same order, with every effect below its cause."""
    connections, deeds = sample
    one = canonical(Trace(mixtures(connections, deeds, data.draw)))
    two = canonical(Trace(mixtures(connections, deeds, data.draw)))
    assert [(row.event, row.free, row.depth) for row in one] == [(row.event, row.free, row.depth) for row in two]
    place = {id(row.event): row.number for row in one}
    for line in connections:
        numbers = [place[id(event)] for event in line]
        assert numbers == sorted(numbers)
    asked = {(row.event.connection, row.event.ordinal): row.number for row in one if row.event.up and row.event.tap}
    for row in one:
        if row.event.cause is not None:
            assert asked[row.event.cause.connection, row.event.cause.message] < row.number


# Large


def test_many_frames_for_one_message():
    """Twenty thousand frames in one turn, and as many statements, are ordered in a moment."""
    ada = Line("ada")
    ada.says("go")
    for i in range(10_000):
        ada.hears(str(i), Cause("ada", 0, 2 * i, own=True))
    logs = [beside(Kind.LOG, str(i), Cause("ada", 0, 2 * i + 1, own=True)) for i in range(9_999)]
    began = time.process_time()
    rows = canonical(Trace(ada.events + logs))
    assert time.process_time() - began < 3
    assert [row.event.text for row in rows[:7]] == ["go", "0", "0", "1", "1", "2", "2"]
