"""The loop's lane: what holds it is one bar that names its line; what waits, and a busy machine, do not."""

import asyncio
import io
import threading
import time

import pytest
from matplotlib.image import imread
from websockets import connect

from wslab import observe_loop, record, serve
from wslab.looplane import LaneWatch


async def blocking(ws):
    async for message in ws:
        time.sleep(0.3)
        await ws.send(message)


async def waiting(ws):
    async for message in ws:
        await asyncio.sleep(0.3)
        await ws.send(message)


async def spinning(ws):
    async for message in ws:
        end = time.perf_counter() + 0.1
        while time.perf_counter() < end:
            pass
        await ws.send(message)


async def observed(handler):
    """The lane of one question and its answer, with its recording."""
    server = await serve(handler)
    with record(server) as recording, observe_loop(recording) as lane:
        async with connect(server.url) as ws:
            await ws.send("hello")
            await ws.recv()
        await recording.settled()
    await server.stop()
    return lane


async def test_a_sleep_that_blocks_is_one_bar_with_its_line():
    """`time.sleep(0.3)` in a handler holds the loop once, for that time, and the bar names the line."""
    lane = await observed(blocking)
    [bar] = lane.blocked
    assert 0.3 <= bar.end - bar.start < 0.45
    assert (bar.line.source, bar.line.function) == ("time.sleep(0.3)", "blocking")
    place = f"line {blocking.__code__.co_firstlineno + 2} of test_looplane.py, in blocking()"
    assert str(lane) == lane.narrate() == f"The event loop was blocked by {place}: time.sleep(0.3)"
    assert "The loop was blocked for 3" in lane.finding()
    asked, answered = (row.event.at for row in lane.recording.rows if row.event.kind == "text")
    began = lane.recording.trace.began
    assert began + asked < bar.start + 0.01 and bar.end - 0.01 < began + answered


async def test_a_sleep_that_waits_is_none():
    """`asyncio.sleep(0.3)` leaves the loop free: no bar, and nothing ran longer than a few turns."""
    lane = await observed(waiting)
    assert lane.blocked == []
    assert str(lane) == "Nothing held the event loop."
    assert sum(stretch.end - stretch.start for stretch in lane._watch.stretches) < 0.2


async def test_work_blocks_too():
    """A line that computes holds the loop as one that sleeps does."""
    [bar] = (await observed(spinning)).blocked
    assert bar.line.function == "spinning"


@pytest.mark.parametrize("handler", [blocking, waiting])
async def test_picture(handler):
    """Both pictures have the kit's width, and are opaque."""
    picture = imread(io.BytesIO((await observed(handler)).png()))
    assert picture.shape[1] == 792
    assert picture.ndim == 3


async def test_a_library_that_blocks_is_not_the_learners():
    """Only lines of the learner's are blamed: what a library's callback does by itself is none."""
    loop = asyncio.get_running_loop()
    with LaneWatch() as watch:
        loop.call_soon(time.sleep, 0.1)
        await asyncio.sleep(0.12)
    assert [stretch.line for stretch in watch.stretches if stretch.line] == []
    assert max(stretch.end - stretch.start for stretch in watch.stretches) > 0.09


async def test_the_loop_is_as_it_was():
    """After the block, also after an error, the loop asks the system as before, and no thread is left."""
    selector = asyncio.get_running_loop()._selector
    before, threads = dict(vars(selector)), threading.active_count()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), LaneWatch():
            await asyncio.sleep(0.001)
            raise ZeroDivisionError
    assert vars(selector).keys() == before.keys()
    assert threading.active_count() == threads


async def test_one_within_another():
    """Two lanes at a time see the same, and undo what they did in their order."""
    with LaneWatch() as outer, LaneWatch() as inner:
        time.sleep(0.1)
        await asyncio.sleep(0)
    assert [bool(stretch.line) for stretch in (outer.stretches[0], inner.stretches[0])] == [True, True]


async def test_memory_is_bounded(monkeypatch):
    """Stretches beyond the limit are not kept."""
    monkeypatch.setattr("wslab.looplane.MOST", 5)
    monkeypatch.setattr("wslab.looplane.TOGETHER_S", 0)
    with LaneWatch() as watch:
        for _ in range(50):
            await asyncio.sleep(0)
    assert len(watch.stretches) == 5
