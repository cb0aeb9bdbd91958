"""The lane picture of the event loop: what it shows, and that watching changes nothing."""

import asyncio
import base64
import contextvars
import io
import sys
import time

import pytest
from PIL import Image
from websockets import connect, serve

from wslab.errors import LabError
from wslab.loopwatch import Turn, chain
from wslab.pictures.loopview import LoopPicture, watch_loop


async def boil():
    await asyncio.sleep(0.02)
    return "tea"


async def toast():
    await asyncio.sleep(0.01)
    return "toast"


async def breakfast():
    return await asyncio.gather(boil(), toast())


BREAKFAST = """\
    breakfast   boil   toast
1       █                      starts, creates boil and toast, waits in breakfast for asyncio.gather
2       ┆        █             starts, waits in boil for asyncio.sleep
3       ┆        ┆       █     starts, waits in toast for asyncio.sleep
4       ┆        ┆       █     returns
5       ┆        █             returns
6       █                      returns
█ runs   ┆ waits   One row is one turn: the loop lets one task run up to its next wait, or its end."""


def turns(picture):
    """What each turn ended in, without times."""
    return [(picture.lanes[turn.lane], turn.ending or f"{turn.place}: {turn.awaited}") for turn in picture.turns]


async def test_two_waits_at_once_have_a_lane_each():
    """The text shows who runs and who waits, in true order and without times."""
    picture = await watch_loop(breakfast())
    assert picture.result == ["tea", "toast"]
    assert picture.finished == ["toast", "boil", "breakfast"]
    assert str(picture) == BREAKFAST


async def test_every_turn_has_a_sentence():
    """The narration tells the same as the text, for reading aloud."""
    picture = await watch_loop(breakfast())
    assert picture.narrate().splitlines() == [
        "1. breakfast starts, creates boil and toast, then waits in breakfast for asyncio.gather.",
        "2. boil starts, then waits in boil for asyncio.sleep.",
        "3. toast starts, then waits in toast for asyncio.sleep.",
        "4. toast goes on, then returns.",
        "5. boil goes on, then returns.",
        "6. breakfast goes on, then returns.",
    ]


async def test_a_wait_is_shown_in_the_function_that_waits():
    """A coroutine that is awaited directly runs in the same lane."""

    async def morning():
        return await boil()

    picture = await watch_loop(morning())
    assert turns(picture) == [("morning", "boil: asyncio.sleep"), ("morning", "returns")]


async def test_a_task_is_named_by_the_program_or_by_its_function():
    """A name of one's own is shown; the second task of a function gets a number."""

    async def morning():
        kettle = asyncio.create_task(boil(), name="kettle")
        await asyncio.gather(toast(), toast())
        return await kettle

    picture = await watch_loop(morning())
    assert picture.lanes == ("morning", "kettle", "toast", "toast 2")
    assert ("morning", "morning: task kettle") in turns(picture)


async def test_an_asynchronous_generator_is_seen_through():
    """In `async for` the wait is in the generator."""

    async def ticks():
        for number in range(2):
            await asyncio.sleep(0)
            yield number

    async def listen():
        return [number async for number in ticks()]

    picture = await watch_loop(listen())
    assert picture.result == [0, 1]
    assert turns(picture) == [("listen", "ticks: asyncio.sleep")] * 2 + [("listen", "returns")]


async def test_the_waits_of_asyncio_have_their_public_names():
    """Queue, TaskGroup, future, thread and event are named as a program calls them."""
    queue, future = asyncio.Queue(), asyncio.get_running_loop().create_future()

    async def producer():
        await queue.put(1)
        await asyncio.to_thread(time.sleep, 0.001)
        future.set_result(None)

    async def consumer():
        async with asyncio.TaskGroup() as group:
            group.create_task(producer())
            await queue.get()
            await future
            group.create_task(boil())

    picture = await watch_loop(consumer())
    assert [awaited for name, awaited in turns(picture) if name == "consumer"] == [
        "consumer: asyncio.Queue.get",
        "consumer: a future",
        "consumer: asyncio.TaskGroup",
        "returns",
    ]
    assert ("producer", "producer: asyncio.to_thread") in turns(picture)


async def test_the_waits_of_a_connection_have_their_public_names():
    """`recv` is named, whether it is awaited or called by `async for`."""

    async def handler(ws):
        await ws.send("welcome")
        async for message in ws:
            await ws.send(message)

    async with (
        serve(handler, "127.0.0.1", 0) as server,
        connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}") as ws,
    ):
        await ws.recv()

        async def talk():
            await ws.send("hello")
            async for message in ws:
                return message

        picture = await watch_loop(talk())
    assert picture.result == "hello"
    assert picture.lanes == ("talk",)  # neither the handler nor the keepalive
    assert turns(picture)[0] == ("talk", "talk: Connection.recv")


async def test_how_a_task_ends_is_shown():
    """Returned, raised and cancelled are told apart."""

    async def spill():
        raise ValueError("milk")

    async def morning():
        spilled, waiting = asyncio.create_task(spill()), asyncio.create_task(boil())
        await asyncio.wait([spilled])
        waiting.cancel()
        await asyncio.wait([waiting])
        return type(spilled.exception()).__name__

    picture = await watch_loop(morning())
    assert picture.result == "ValueError"
    assert ("spill", "raises ValueError") in turns(picture)
    assert ("boil", "is cancelled") in turns(picture)


async def test_a_task_that_outlives_the_coroutine_waits_to_the_end():
    """Its lane goes on to the last row, and the task itself to its own end."""
    left = []

    async def morning():
        left.append(asyncio.create_task(boil()))
        await toast()

    picture = await watch_loop(morning())
    assert [line.split() for line in str(picture).splitlines()[-3:-1]] == [
        ["3", "█", "┆", "returns"],
        "boil is not done".split(),
    ]
    assert picture.narrate().endswith("boil is not done")
    assert picture.finding().endswith(" ms, and boil is not done")
    assert await left[0] == "tea"
    assert len(picture.turns) == 3


@pytest.mark.parametrize(
    "former", [None, lambda loop, coroutine, **options: asyncio.Task(coroutine, loop=loop, **options)]
)
async def test_the_loop_has_its_own_factory_back(former):
    """After a result, an exception and a cancellation."""

    async def fails():
        raise ValueError("milk")

    loop = asyncio.get_running_loop()
    loop.set_task_factory(former)
    await watch_loop(breakfast())
    assert loop.get_task_factory() is former
    with pytest.raises(ValueError, match="milk") as caught:
        await watch_loop(fails())
    assert [entry.name for entry in caught.traceback[1:]] == ["fails"]  # nothing of the kit between
    assert loop.get_task_factory() is former
    watching = asyncio.create_task(watch_loop(breakfast()))
    await asyncio.sleep(0)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert loop.get_task_factory() is former


async def test_tasks_of_others_are_left_alone():
    """What does not descend from the watched task is neither wrapped nor shown."""
    loop, others = asyncio.get_running_loop(), []

    async def other():
        others.append(asyncio.create_task(toast()))

    others.append(asyncio.create_task(other()))
    loop.call_later(0.001, lambda: others.append(loop.create_task(boil())))
    picture = await watch_loop(breakfast())
    assert picture.lanes == ("breakfast", "boil", "toast")
    assert {type(task.get_coro()).__name__ for task in others} == {"coroutine"}
    assert set(await asyncio.gather(*others)) == {None, "toast", "tea"}


async def test_a_watched_task_is_as_unwatched():
    """Context, name, group errors, cancellation and shielding work; a task's repr shows its function."""
    variable = contextvars.ContextVar("variable", default="outside")

    async def sees():
        return variable.get()

    async def fails():
        raise ValueError("milk")

    async def program():
        context = contextvars.copy_context()
        context.run(variable.set, "inside")
        tasks = [asyncio.create_task(sees(), context=context, name="sees"), asyncio.create_task(sees())]
        assert "sees()" in repr(tasks[0]) and tasks[0].get_name() == "sees"
        assert [code.co_name for code in chain(tasks[0].get_coro())] == ["sees"]
        seen = await asyncio.gather(*tasks)
        try:
            async with asyncio.TaskGroup() as group:
                endless = group.create_task(asyncio.Event().wait())
                group.create_task(fails())
        except* ValueError as errors:
            seen.append(len(errors.exceptions))
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.create_task(boil())), 0.001)
        except TimeoutError:
            seen.append("time-out")
        return [*seen, endless.cancelled()]

    assert (await watch_loop(program())).result == ["inside", "outside", 1, "time-out", True]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_eager_tasks_are_seen():
    """A task that runs its first turn within its maker's has a lane, and so have its own tasks."""

    async def outer():
        await asyncio.create_task(toast())

    async def program():
        await asyncio.create_task(outer())

    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    picture = await watch_loop(program())
    loop.set_task_factory(None)
    assert picture.lanes == ("program", "outer", "toast")
    assert [turn.created for turn in picture.turns if turn.created] == [(2,), (1,)]


async def test_misuse_says_what_to_do():
    """A function that was not called, and a second watch."""
    with pytest.raises(LabError) as caught:
        await watch_loop(breakfast)
    assert str(caught.value) == (
        "watch_loop() takes a coroutine, and breakfast is none: call the function, watch_loop(breakfast())"
    )

    async def twice():
        await watch_loop(breakfast())

    with pytest.raises(LabError) as caught:
        await watch_loop(twice())
    assert str(caught.value) == "the loop is being watched already: await one watch_loop(...) after the other"


async def test_more_than_six_tasks_share_the_last_lane():
    """The seventh lane and all after it are one."""

    async def crowd():
        await asyncio.gather(*(toast() for _ in range(8)))

    lines = str(await watch_loop(crowd())).splitlines()
    assert lines[0].split("   ")[1:] == ["  crowd", "toast", "toast 2", "toast 3", "toast 4", "4 more"]
    assert "starts, creates 8 tasks, waits in crowd for asyncio.gather" in lines[1]
    assert len(lines) == 1 + 18 + 1


async def test_many_turns_are_elided_with_their_count():
    """The first and the last are shown."""

    async def counts():
        for _ in range(99):
            await asyncio.sleep(0)

    lines = str(await watch_loop(counts())).splitlines()
    assert len(lines) == 1 + 24 + 1 + 12 + 1
    assert lines[25] == "  …   64 turns not shown"
    assert lines[-2] == "100     █      returns"


def turn(lane, start, end, awaited="", inside=False):
    return Turn(
        lane=lane, start=start, end=end, place="f", awaited=awaited, inside=inside, ending="" if awaited else "returns"
    )


@pytest.mark.parametrize(
    ("recorded", "finding"),
    [
        (
            [
                *(turn(0, 0, 0, "asyncio.gather", True), turn(1, 0, 0, "a"), turn(2, 0, 0, "b")),
                *(turn(2, 0.05, 0.05), turn(1, 0.1, 0.1), turn(0, 0.1, 0.1)),
            ],
            "3 tasks, 2 waits overlapping: 0.10 s instead of 0.15 s",
        ),
        (
            [turn(0, 0, 0, "a"), turn(0, 0.05, 0.05, "a"), turn(0, 0.1, 0.1)],
            "1 task, 2 waits one after the other: 0.10 s",
        ),
        ([turn(0, 0, 0, "a"), turn(0, 0.1, 0.1)], "1 task, 1 wait: 0.10 s"),
        (
            [turn(0, 0, 0, "a"), turn(1, 0, 0.1), turn(0, 0.1, 0.1)],
            "two held the loop for 0.10 s: no other task could run",
        ),
        ([turn(0, 0, 0.05, "a"), turn(1, 0.05, 0.1)], "one and two held the loop for 0.10 s: no other task could run"),
    ],
)
def test_the_title_states_the_finding(recorded, finding):
    """Waits at once, in a row, alone; a blocked loop."""
    lanes = ["one", "two", "three"][: 1 + max(turn.lane for turn in recorded)]
    assert LoopPicture(None, lanes, recorded, 0.1).finding() == finding


async def test_the_figure_is_small_and_opaque():
    """720 by at most some hundred dots of white ground, for one lane as for ten."""

    async def crowd():
        time.sleep(0.03)
        await asyncio.gather(*(breakfast() for _ in range(3)))

    for program in (boil, crowd):
        bundle = (await watch_loop(program()))._repr_mimebundle_()
        data = base64.b64decode(bundle["image/png"])
        image = Image.open(io.BytesIO(data))
        assert set(bundle) == {"text/plain", "image/png"}
        assert image.width == 792 and len(data) <= 50_000
        assert image.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


async def test_a_name_cannot_move_the_cursor():
    """What a program calls its tasks is shown, not obeyed."""

    async def morning():
        await asyncio.create_task(toast(), name="\x1b[2J\u202etoast")

    picture = await watch_loop(morning())
    assert picture.lanes[1] == r"\x1b[2J\u202etoast"
    assert "\x1b" not in str(picture) + picture.narrate()
    assert picture.png()
