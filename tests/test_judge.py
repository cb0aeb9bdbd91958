"""What a learner meets when a check fails: never a hang, never a traceback of the kit."""

from __future__ import annotations

import asyncio
import functools
import gc
import time

import pytest

import wslab
from wslab import check, hint
from wslab.errors import LabError
from wslab.report import NotSolved


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state of its own, so that a test never touches a learner's."""
    monkeypatch.setenv("WSLAB_STATE", str(tmp_path))


def failed(exercise, answer):
    """The report of a check that fails."""
    with pytest.raises(NotSolved) as caught:
        check(exercise, answer)
    return caught.value.report


def test_report_has_four_parts_and_the_recording(capsys):
    """What was done, expected, seen and where to look stand in the report; the recording is shown with its mark."""

    async def shout(ws):
        async for message in ws:
            await ws.send(message.upper() if isinstance(message, str) else message)

    report = failed("0.2", shout)
    first, second, third, fourth, fifth = report.text.splitlines()[:5]
    assert first.startswith("0.2  FAIL  a message comes back | sent 'hello ")
    assert second.strip().startswith("expected 'hello ") and "| saw 'HELLO " in second
    assert third.strip().startswith("0.2 echo: sent 'hello ")
    assert fourth.startswith(" " * 11) and fourth.endswith("own.")
    assert fifth.strip() == "look at: arrow 4 of the recording"
    assert max(map(len, report.text.splitlines()[:5])) <= 96
    assert report.text.splitlines()[-1] == '0.2  not solved yet: repair the line with FAIL first. hint("0.2") helps.'
    assert "skip" in report.text
    assert report.verdict.recording.arrow(4).text.startswith("HELLO")
    assert "HELLO" in capsys.readouterr().out


def test_passed_report_is_the_same_each_time():
    """A passed report holds nothing that varies, so that a saved notebook can be compared."""

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    texts = {check("0.2", echo).text for _ in range(3)}
    assert len(texts) == 1
    assert texts.pop().splitlines()[-1] == "0.2  solved"


def test_failed_check_renders_its_report_without_a_traceback():
    """IPython shows the report where a traceback would stand."""
    report = failed("0.2", lambda ws: None)
    assert NotSolved(report)._render_traceback_() == report.text.splitlines()
    assert "Traceback" not in report.text


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (lambda ws: None, "0.2 not a coroutine function: write async def"),
        (3, "0.2 not a coroutine function: write async def"),
        (functools.partial(asyncio.sleep, 0), "0.2 closed: your handler returned before it answered"),
    ],
)
def test_what_is_no_handler_is_told_so(answer, line, capsys):
    """Something else than a handler gets a line of its own."""
    assert failed("0.2", answer).verdict.wrong.line.startswith(line)


def test_partials_and_objects_are_handlers():
    """What `inspect` takes for a coroutine function is one."""

    async def echo(prefix, ws):
        async for message in ws:
            await ws.send(message)

    assert check("0.2", functools.partial(echo, "")).verdict.passed


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("reply = process(request['body'])", "coroutine 'double' was never awaited. Put await before it."),
        ("await ws.send({'id': 1})", "A message is text: send json.dumps(...)."),
        ("message['id']", "A message is text: json.loads(message) makes a dictionary of it."),
    ],
)
def test_frequent_exceptions_are_explained(source, advice, capsys):
    """What a beginner's exception means stands beside it."""
    code = f"""
import json
async def answer(ws, process):
    async for message in ws:
        request = json.loads(message)
        {source}
        await ws.send(json.dumps({{"id": request["id"], "body": reply}}))
"""
    names = {}
    exec(code, names)
    assert failed("2.2", names["answer"]).verdict.wrong.line.endswith(advice)


def test_exception_in_the_answer_is_told_by_type_and_text(capsys):
    """An exception of the learner's code becomes a line, and appears in the recording."""

    async def broken(ws):
        await ws.recv()
        raise KeyError("colour")

    report = failed("0.2", broken)
    assert "your handler raised KeyError: 'colour'" in report.verdict.wrong.line
    assert any("KeyError" in event.note for event in report.verdict.recording.trace)


@pytest.mark.parametrize("problem", [SystemExit, KeyboardInterrupt])
def test_exit_in_the_answer_does_not_end_the_notebook(problem, capsys):
    """`sys.exit()` in an answer is a failed check."""

    def answer(delays, mode):
        raise problem("bye")

    assert failed("2.1", answer).verdict.wrong is not None


def test_endless_loop_in_a_function_is_ended(capsys):
    """An endless loop costs seconds, not the session, and its line is named."""

    def answer(delays, mode):
        while True:
            pass

    began = time.monotonic()
    report = failed("2.1", answer)
    assert time.monotonic() - began < 6
    assert "starved loop" in report.text and "in answer()" in report.text


def test_blocking_call_in_a_right_answer_is_told(capsys):
    """A right echo that sleeps the hard way is told what it does to the others."""

    async def echo(ws):
        async for message in ws:
            time.sleep(0.3)
            await ws.send(message)

    line = failed("0.2", echo).verdict.wrong.line
    assert line.startswith("0.2 blocked loop: the event loop stood still for 3") and "in echo()" in line


@pytest.mark.parametrize("problem", [ValueError, SystemExit])
def test_nothing_of_the_kit_is_complained_about_later(problem, capsys, caplog):
    """What a failed check leaves to the garbage collector says nothing: no traceback appears cells later."""

    def answer(delays, mode):
        raise problem("bye")

    failed("2.1", answer)
    gc.collect()
    assert caplog.records == []


def test_bad_calls_are_told_what_to_do():
    """An unknown id and a missing answer are misuse, in a line each."""
    with pytest.raises(LabError, match=r"there is no exercise '9\.9'; there are 0\.1"):
        check("9.9", print)
    with pytest.raises(LabError, match="run the cell that defines it first"):
        check("2.1", ...)


def test_hints_come_in_three_steps_and_the_last_offers_a_start():
    """A question, a pointer, a line of code with the faded version; then the last one again."""
    texts = [repr(hint("2.2")) for _ in range(4)]
    assert [text.splitlines()[0][:14] for text in texts] == [
        "Hint 1 of 3 fo",
        "Hint 2 of 3 fo",
        "Hint 3 of 3 fo",
        "Hint 3 of 3 fo",
    ]
    assert "async def rpc_handler" in texts[2]
    assert "async def rpc_handler" not in texts[1]


def test_hint_without_an_id_looks_at_the_last_failure(capsys):
    """`hint()` belongs to what failed last, and says what that was."""
    with pytest.raises(LabError, match="there is no failed check"):
        hint()
    line = failed("2.1", lambda delays, mode: ([], 0)).verdict.wrong.line
    assert repr(hint()).startswith(f"Your last check said: {line}\nHint 1 of 3 for 2.1:")


def test_check_works_inside_a_running_loop():
    """A notebook's loop is running: a check neither needs nor disturbs it."""

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async def cell():
        return check("0.2", echo)

    assert asyncio.run(cell()).verdict.passed


def test_nothing_is_left_after_a_check():
    """No server of a check outlives it."""

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    check("0.2", echo)
    assert wslab.running_servers() == []
