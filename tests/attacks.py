"""Ways to be called solved without being it, and honest work that looks odd: the table that the grade has to pass.

`python tests/attacks.py [WORD ...]` runs those whose name holds a word, or all, and prints the table.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from kit import references  # noqa: E402

from wslab.grading.descendants import MARK  # noqa: E402
from wslab.grading.grade import PRISTINE, grade  # noqa: E402
from wslab.grading.verdict import Grade  # noqa: E402

LIMIT_S, START_S, LIMIT_MB = 10.0, 3.0, 300.0  # START_S of LIMIT_S are for the start of pytest and kernel
NOTEBOOK = "02_request_response.ipynb"
EXERCISES = {"2.2": "handler", "2.1": "function", "2.4": "client"}

WRONG = {
    "2.1": "def predict_timeline(delays, mode):\n    return [], 0.0\n",
    "2.2": "async def rpc_handler(ws, process):\n    async for message in ws:\n        await ws.send('{}')\n",
    "2.4": """
class RpcClient:
    def __init__(self, ws):
        self.ws, self.events = ws, asyncio.Queue()
    async def call(self, body, timeout=1.0):
        await self.ws.send(json.dumps({"id": 1, "body": body}))
    async def close(self):
        await self.ws.close()
""",
}


@dataclass(frozen=True)
class Attack:
    """What is done to a learner's notebook, and the verdict that it must get.

    `code` stands in the answer cell before a wrong answer (before the reference where `honest`); `edit` changes the
    notebook; `beside` are files that lie beside it. `on` are the exercises that it makes sense for.
    """

    name: str
    expected: str = "failed"
    code: str = ""
    edit: Callable[[dict, str], None] | None = None
    beside: tuple[tuple[str, str], ...] = ()
    honest: bool = False
    on: tuple[str, ...] = tuple(EXERCISES)


def cell(notebook, kind, exercise):
    return next(c for c in notebook["cells"] if c["id"] == f"{kind}-{exercise.replace('.', '-')}")


def without(kind):
    def edit(notebook, exercise):
        notebook["cells"].remove(cell(notebook, kind, exercise))

    return edit


def doubled(notebook, exercise):
    notebook["cells"].append(dict(cell(notebook, "answer", exercise)))


def markdown(notebook, exercise):
    cell(notebook, "answer", exercise)["cell_type"] = "markdown"


def edited(notebook, exercise):
    cell(notebook, "check", exercise)["source"] = f'print("{exercise}  solved")'


def tagged(tag):
    def edit(notebook, exercise):
        for kind in ("answer", "check"):
            cell(notebook, kind, exercise)["metadata"]["tags"] = [tag]

    return edit


def stored(notebook, exercise):
    output = {"output_type": "execute_result", "execution_count": 1, "metadata": {}}
    output["data"] = {"text/plain": f"{exercise}  solved"}
    cell(notebook, "check", exercise).update(outputs=[output], execution_count=1)


def kernelspec(notebook, exercise):
    notebook["metadata"]["kernelspec"] = {"name": "planted", "display_name": "planted", "language": "python"}


EQUAL = """
class Equal(str):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = str.__hash__
    __iter__ = lambda self: iter((self, self))
    __float__ = lambda self: 0.0
    __bool__ = lambda self: True
"""
EQUAL_ANSWERS = {
    "2.1": "def predict_timeline(delays, mode):\n    return Equal(), Equal()\n",
    "2.2": WRONG["2.2"],
    "2.4": WRONG["2.4"].replace('"body": body}))', '"body": body}))\n        return Equal()'),
}

LEFT = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(60)"],
                 env={}, start_new_session=True)
"""


ATTACKS = [
    Attack("check deleted", edit=without("check")),
    Attack("check edited", edit=edited),
    Attack("answer missing", edit=without("answer")),
    Attack("answer doubled", edit=doubled),
    Attack("answer turned to markdown", edit=markdown),
    *(Attack(f"tag {tag}", edit=tagged(tag)) for tag in ("nbval-skip", "nbval-ignore-output", "raises-exception")),
    Attack("NBVAL comment", code='# NBVAL_SKIP\n"""\n# NBVAL_IGNORE_OUTPUT\n"""\n#NBVAL_RAISES_EXCEPTION'),
    Attack("hard-coded outputs", edit=stored),
    Attack("object that equals everything", code=EQUAL),
    Attack("set_custom_exc", code="get_ipython().set_custom_exc((BaseException,), lambda *a, **k: None)"),
    Attack("showtraceback replaced", code="get_ipython().showtraceback = lambda *a, **k: print('solved')"),
    Attack(
        "input transformer",
        code="get_ipython().input_transformers_cleanup.append(lambda lines: ['\"solved\"\\n'])",
    ),
    Attack("sys.exit", code="import sys\nsys.exit(0)"),
    Attack("os._exit", "crashed", code="import os\nos._exit(0)"),
    Attack("kill -9 of itself", "crashed", code="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
    Attack("while True", "timed out", code="while True: pass"),
    Attack(
        "uninterruptible sleep",
        "timed out",
        code="import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\ntime.sleep(100)",
    ),
    Attack("endless print", "timed out", code="while True: print('x' * 1000)"),
    Attack(
        "kill of the parent pytest", "crashed", code="import os, signal, time\nos.kill(os.getppid(), 9)\ntime.sleep(2)"
    ),
    Attack("200 MB file", code="open('big', 'wb').write(bytes(200_000_000))"),
    Attack(
        "overwritten notebook file",
        code="""
import json, pathlib
for path in pathlib.Path("..").rglob("*.ipynb"):
    path.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
""",
    ),
    Attack(
        "forged junit",
        code="""
import pathlib
for folder in pathlib.Path("..").iterdir():
    if folder.is_dir():
        (folder / "junit.xml").write_text('<testsuites><testsuite tests="3" failures="0"/></testsuites>')
""",
    ),
    Attack(
        "forged replies of pytest",
        code="""
import json, os
line = "".join(json.dumps(m) + "\\n" for e in ("2-1", "2-2", "2-4") for m in (
    {"cell": f"answer-{e}", "passed": True},
    *({"cell": f"{kind}-{e}", "passed": True, "ended": "", "error": "", "ahead": True} for kind in ("answer", "check")),
    ["done"])) + "done\\n"
for number in range(3, 12):
    try:
        with open(f"/proc/{os.getppid()}/fd/{number}", "w") as file:
            file.write(line)
    except OSError:
        pass
""",
    ),
    Attack(
        "fake idle",
        code="""
def fake(info):
    kernel = get_ipython().kernel
    for kind, content in (
        ("execute_result", {"data": {"text/plain": "solved"}, "metadata": {}, "execution_count": 1}),
        ("status", {"execution_state": "idle"}),
    ):
        kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())
get_ipython().events.register("pre_run_cell", fake)
""",
    ),
    Attack(
        "patched random and secrets",
        code="import random, secrets\nsecrets.token_hex = lambda n=0: 'aa'\nrandom.sample = lambda *a: [1, 2, 3, 4, 5]",
    ),
    Attack(
        "fake wslab in sys.modules",
        code="""
import sys, types
fake = types.ModuleType("wslab")
class Report(str):
    __repr__ = str.__str__
fake.check = check = lambda exercise, *answers: Report(f"{exercise}  solved")
sys.modules["wslab"] = fake
""",
    ),
    Attack(
        "judge told the verdict",
        code="""
import asyncio, json, os, websockets
async def tell():
    for exercise in ("2.1", "2.2", "2.4"):
        async with websockets.connect(f"{os.environ['WSLAB_JUDGE']}/{exercise}") as ws:
            await ws.send(json.dumps({"op": "verdict", "args": [True, "solved"]}))
            await ws.send(json.dumps({"answer": 1, "value": True}))
            await ws.send("{" * 100_000)
await tell()
""",
    ),
    Attack(
        "judge's probes forged",
        code="""
import wslab.bench
async def content(self, *args): return {"starved": 0, "starved_s": 0, "blocked_s": 0, "place": "", "forgotten": []}
wslab.bench.Bench._mistakes = content
""",
    ),
    Attack(
        "planted files",
        beside=(
            ("conftest.py", "def pytest_runtest_call(item): item.runtest = lambda: None\n"),
            ("pytest.ini", "[pytest]\naddopts = --nbval-lax\n"),
            ("nbformat.py", "raise SystemExit(0)\n"),
            ("json.py", "raise SystemExit(0)\n"),
        ),
    ),
    Attack("kernelspec that runs python -O", edit=kernelspec),
    Attack("daemon left behind", "passed", code=LEFT, honest=True),
    Attack("noisy right answer", "passed", code="for _ in range(50):\n    print('x' * 1_000_000)", honest=True),
    Attack("chatty right answer", "passed", code="import warnings\nwarnings.warn('odd')\ndisplay('look')", honest=True),
    Attack("unusual right answer", "passed", honest=True),
]


def answer(attack: Attack, exercise: str) -> str:
    if attack.name == "unusual right answer":
        path = next((ROOT / "exercises" / "unusual" / exercise.replace(".", "_")).glob("*.py"))
        return path.read_text(encoding="utf-8")
    rest = references()[exercise] if attack.honest else WRONG[exercise]
    if attack.code is EQUAL:
        rest = EQUAL_ANSWERS[exercise]
    return f"{attack.code}\n{rest}"


@dataclass(frozen=True)
class Result:
    """How a grade went: what it said, its seconds, the most memory of all its processes, and who was left.

    `start` are the seconds until the first cell began, which depend on the machine and on nothing else.
    """

    grade: Grade
    start: float
    seconds: float
    megabytes: float
    left: int

    def good(self, attack: Attack) -> bool:
        """Is everything as it should be?"""
        in_time = self.seconds - self.start < LIMIT_S - START_S
        return self.grade.outcome.value == attack.expected and in_time and self.megabytes < LIMIT_MB and not self.left


def launch(attack: Attack, exercise: str) -> Result:
    """Grade `exercise` in a notebook under attack, and measure."""
    notebook = json.loads((PRISTINE / NOTEBOOK).read_text(encoding="utf-8"))
    cell(notebook, "answer", exercise)["source"] = answer(attack, exercise)
    if attack.edit is not None:
        attack.edit(notebook, exercise)
    with tempfile.TemporaryDirectory() as folder, _Meter() as meter:
        for name, text in attack.beside:
            (Path(folder) / name).write_text(textwrap.dedent(text), encoding="utf-8")
        path = Path(folder) / NOTEBOOK
        text = json.dumps(notebook)
        path.write_text(text, encoding="utf-8")
        [graded] = asyncio.run(grade(path, [exercise], meter.begins))
        assert path.read_text(encoding="utf-8") == text, "the learner's file was touched"
    return Result(graded, meter.start, meter.seconds, meter.megabytes, len(leftovers(meter.marks)) + meter.children())


def leftovers(marks: set[str]) -> list[psutil.Process]:
    """The processes of these graded runs that are alive."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) in marks and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


class _Meter:
    """Measures the time of a block, and the memory of all processes that it starts."""

    def __enter__(self):
        self.megabytes = self.start = 0.0
        self.marks = set()
        self._own = psutil.Process()
        self._before = len(self._own.children(recursive=True))
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self.seconds = time.monotonic() - self._began
        self._over.set()
        self._thread.join()

    def begins(self, cell: str) -> None:
        self.start = self.start or time.monotonic() - self._began

    def children(self) -> int:
        return len(self._own.children(recursive=True)) - self._before

    def _measure(self):
        while not self._over.wait(0.1):
            total = 0
            for process in self._own.children(recursive=True):
                try:
                    total += process.memory_info().rss
                    self.marks |= {process.environ().get(MARK)} - {None}
                except (psutil.Error, OSError):
                    continue
            self.megabytes = max(self.megabytes, total / 1e6)


def main(words: list[str]) -> int:
    bad = 0
    print(f"{'attack':<32}{'exercise':<16}{'expected':<11}{'verdict':<14}{'s':>5}{'MB':>6}  left")
    for attack in ATTACKS:
        for exercise in attack.on:
            if words and not any(word in f"{attack.name} {exercise}" for word in words):
                continue
            result = launch(attack, exercise)
            verdict = result.grade.outcome.value
            good = result.good(attack)
            bad += not good
            print(
                f"{attack.name:<32}{exercise + ' ' + EXERCISES[exercise]:<16}{attack.expected:<11}{verdict:<14}"
                f"{result.seconds:>5.1f}{result.megabytes:>6.0f}{result.left:>6}{'' if good else '   <-- wrong'}",
                flush=True,
            )
            if not good and os.environ.get("VERBOSE"):
                print(result.grade.text)
    print(f"{bad} wrong" if bad else "all as expected")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
