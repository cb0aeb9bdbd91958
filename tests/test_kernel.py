"""The careless learner, in a real kernel: interrupts, blocked loops, endless answers, cells run again."""

from __future__ import annotations

import os
import re
import time
from queue import Empty

import pytest
from jupyter_client.manager import start_new_kernel
from kit import EXERCISES, ROOT, build
from lessons import LESSONS, stem

SETUP = """
import asyncio, time
from websockets import connect
from wslab import check, record, running_servers, serve

async def echo(ws):
    async for message in ws:
        if message == "block":
            time.sleep(30)
        await ws.send(message)
"""


class Kernel:
    """A kernel in the lessons' folder, in which cells are run as a notebook would, from a distance."""

    def __init__(self, tmp_path):
        env = os.environ | {
            "PYTHONPATH": str(ROOT),
            "WSLAB_STATE": str(tmp_path / "state"),
            "WSLAB_EXERCISES": str(EXERCISES),
            "WSLAB_SEED": build.SEED,
            "WSLAB_CONNECTIONS": "1000",  # of lesson 4
        }
        self.manager, self.client = start_new_kernel(env=env, cwd=str(ROOT / "notebooks"))

    def start(self, code):
        """Begin to run a cell; returns the message id."""
        return self.client.execute(code)

    def finish(self, message, timeout=20.0):
        """Wait for a cell: its status, what it wrote to its streams, and its error's lines."""
        text, error = "", []
        deadline = time.monotonic() + timeout
        while True:
            try:
                found = self.client.get_iopub_msg(timeout=max(0.01, deadline - time.monotonic()))
            except Empty:
                raise TimeoutError("the cell did not end") from None
            if found["parent_header"].get("msg_id") != message:
                continue
            content = found["content"]
            if found["msg_type"] == "stream":
                text += content["text"]
            elif found["msg_type"] == "error":
                error = content["traceback"]
            elif found["msg_type"] == "status" and content["execution_state"] == "idle":
                break
        while (reply := self.client.get_shell_msg(timeout=5))["parent_header"]["msg_id"] != message:
            pass  # an answer to what the client asked while it waited for the kernel
        return reply["content"]["status"], text, error

    def run(self, code, timeout=20.0):
        return self.finish(self.start(code), timeout)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(tmp_path):
    running = Kernel(tmp_path)
    try:
        assert running.run(SETUP)[0] == "ok"
        yield running
    finally:
        running.close()


def test_interrupt_while_a_cell_awaits(kernel):
    """The prompt is back within two seconds, although nothing else wakes the loop; servers go on."""
    kernel.run("server = await serve(echo)")
    message = kernel.start("await asyncio.sleep(60)")
    time.sleep(0.5)
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    status, _, error = kernel.finish(message)
    assert time.monotonic() - began < 2
    assert status == "error" and "Traceback" in "".join(error)
    again = "async with connect(server.url) as ws:\n    await ws.send('a'); print(await ws.recv())\nawait server.stop()"
    assert kernel.run(again)[:2] == ("ok", "a\n")


def test_blocked_loop_is_freed_and_told(kernel):
    """A handler that sleeps the hard way is ended within three seconds, its line is told, the notebook lives on."""
    kernel.run("server = await serve(echo)")
    ask = """
async with connect(server.url) as ws:
    await ws.send("block")
    try:
        await ws.recv()
    except Exception as exc:
        print(type(exc).__name__)
"""
    began = time.monotonic()
    status, text, _ = kernel.run(ask)
    assert time.monotonic() - began < 4
    assert status == "ok" and "ConnectionClosedError" in text
    assert "in echo() blocked the event loop" in text
    assert kernel.run("print(server.errors[0])")[1].startswith("line 8 of its cell, in echo()")


def test_a_cell_of_the_learners_own_may_block(kernel):
    """A synchronous cell stops the servers while it runs; that is no defect, and nobody ends it."""
    kernel.run("server = await serve(echo)")
    assert kernel.run("time.sleep(2.5)\nprint('done')")[:2] == ("ok", "done\n")


def test_endless_answer_is_a_report(kernel):
    """An endless loop in an answer costs seconds: a report in the place of a traceback, and the kernel lives on."""
    kernel.run("async def mine(ws):\n    while True:\n        pass")
    status, _, error = kernel.run('check("0.2", mine)')
    assert status == "error"
    assert "0.2  FAIL" in error[0] and "starved loop" in "\n".join(error) and "Traceback" not in "\n".join(error)
    assert kernel.run("print(running_servers(), 1 + 1)")[1] == "[] 2\n"


def test_interrupt_during_a_check(kernel):
    """A check can be interrupted, and leaves nothing behind."""
    kernel.run("async def mine(ws):\n    await asyncio.sleep(60)")
    message = kernel.start('check("0.2", mine)')
    time.sleep(0.7)
    kernel.manager.interrupt_kernel()
    status, _, _ = kernel.finish(message)
    assert status == "error"
    assert kernel.run("print(running_servers())")[1] == "[]\n"


def test_misuse_is_a_line_without_a_traceback(kernel):
    """A forgotten await, a stopped server, a plain function: each is one line with the remedy."""
    for code, line in {
        "record(serve(echo))": "is an await missing?",
        "server = await serve(echo)\nawait server.stop()\nrecord(server)": "run the cell that calls serve() first",
        "await serve(lambda ws: None)": "put async before def",
        "record()": "write record(server)",
        'check("0.2", ...)': "run the cell that defines it first",
    }.items():
        status, _, error = kernel.run(code)
        assert status == "error" and len(error) == 1 and line in error[0], (code, error)


def code_of(lesson):
    """The sources of the lesson's code cells."""
    return [cell.source for cell in build._read(lesson).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("lesson", LESSONS, ids=stem)
def test_run_all_twice_in_one_kernel(lesson, kernel):
    """Every cell of a lesson can be run again; in the end nothing is left running, and one line says what to run."""
    cells = code_of(lesson)
    for source in cells * 2:
        status, _, error = kernel.run(source, build.CELL_LIMIT_S)
        assert status == "ok", (source, error)
    assert kernel.run("print(running_servers())")[1] == "[]\n"
    for source in cells:
        if re.match(r"with record\((?!.*await serve)", source, re.DOTALL):
            status, _, error = kernel.run(source)
            assert status == "error" and len(error) == 1 and "is not running: run the cell that calls" in error[0]


@pytest.mark.parametrize("lesson", LESSONS, ids=stem)
def test_out_of_order(lesson, kernel):
    """After the imports, every cell comes before those that it needs: no traceback leads through the kit."""
    imports, *others = code_of(lesson)
    assert kernel.run(imports, build.CELL_LIMIT_S)[0] == "ok"
    for source in reversed(others):
        _, _, error = kernel.run(source, build.CELL_LIMIT_S)
        trace = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error))
        assert len(error) <= 1 or not re.search(r"File .*[/\\]wslab[/\\](\w+[/\\])?\w+\.py", trace), trace
