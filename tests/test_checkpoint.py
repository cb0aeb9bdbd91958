"""The checkpoint's runner: five verdicts, four reports, and nothing that outlives it.

What the runner itself does is tried with a content of its own, put into a copy of the checkout: four questions and
seven tests, whose learner says in `auction.py` what each is to do. The real content runs in the tests below it.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
from browser import ARGUMENTS, CHROMIUM
from kit import ROOT, module
from playwright.sync_api import sync_playwright

from checkpoint.runner import items
from checkpoint.runner.items import load, trials
from wslab.engines.binaries import ENGINES, missing
from wslab.errors import LabError

PRISTINE = ROOT / "wslab" / "pristine" / "checkpoint" / "questions.ipynb"
EVIL = "<script>alert(1)</script>\"'&\x1b[31m\u202e"

QUESTIONS = """
from dataclasses import dataclass
import json, types

QUESTIONS = {n: types.SimpleNamespace(number=n, title=f"Question {n}", group=1 + n // 3) for n in (1, 2, 3, 4)}
"""
DESK = """
import json, types

def judge_notebook(path, only=None):
    for number, status in enumerate(json.loads(path.read_text()), 1):
        if number in only:
            yield types.SimpleNamespace(
                number=number, status=status,
                line="" if status in ("right", "open") else f"Q{number} {status}",
                arrow=None, recording=None, misses=number, lesson="../notebooks/02.ipynb#turns",
                seconds=0.1, seed=f"1/{number}/1", answer={1, 2},
            )

def summary(verdicts):
    right = sum(verdict.status == "right" for verdict in verdicts)
    return types.SimpleNamespace(passed=right >= 3, line=f"{right} of 4 right")
"""
TRIALS = '''
import asyncio, json, os, signal, sys, time, types
from pathlib import Path

from websockets import connect
from wslab import serve
from wslab.engines import children
from wslab.errors import LabError
from wslab.recording import record

MODULE, STARTER = "auction.py", Path(__file__).parent / "starter"
NAMES = {"T1": (1, True, 9.0), "T2": (1, False, 1.0), "T3": (2, True, 9.0), "T4": (2, False, 9.0)}
TRIALS = {
    name: types.SimpleNamespace(name=name, title=f"Test {name[1:]}", milestone=milestone, core=core, limit_s=limit_s)
    for name, (milestone, core, limit_s) in NAMES.items()
}
DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
os.environ.clear()
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""

FORGE = """
import json, os, sys
worker, name = int(sys.argv[1]), sys.argv[2]
forged = {"name": name, "verdict": "passed", "line": "", "note": "", "arrow": None, "seconds": 0.1, "seed": "1"}
for number in range(12):
    try:
        with open(f"/proc/{worker}/fd/{number}", "w") as file:
            file.write("\\n" + json.dumps(forged) + "\\nnonsense\\n[1]\\n" + json.dumps(forged | {"key": "0"}) + "\\n")
    except OSError:
        pass
"""

async def run_all(names, folder, seed):
    says = json.loads((folder / MODULE).read_text())
    if says.get("engine"):
        raise LabError("caddy is not installed")
    for name in names:
        what, line = (says.get(name) or "passed"), ""
        (folder / "begun").write_text(name)
        if what == "hang":
            while True:
                time.sleep(60)
        if what == "wait":
            children.start("child", [sys.executable, "-c", "import time; time.sleep(600)", str(children.folder())],
                           log=Path("child.log"))
            (folder / "waits").write_text("yes")
            await asyncio.sleep(600)
        if what == "exit":
            os._exit(0)
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "forge":
            forging = await asyncio.create_subprocess_exec(sys.executable, "-c", FORGE, str(os.getpid()), name)
            await forging.wait()
            what = "failed"
        if what == "daemon":
            daemon = folder / "daemon"
            children.start("child", [sys.executable, "-c", DAEMON, str(daemon), str(children.folder())],
                           log=Path("child.log"))
            while not daemon.exists() or not daemon.read_text():
                await asyncio.sleep(0.02)
            what = "passed"
        if what not in ("passed", "failed"):
            what, line = "failed", f"{name}: {what}"
        yield types.SimpleNamespace(
            name=name, verdict=what, line=line, recording=await one(line or "hello"), arrow=3 if line else None,
            seconds=0.1, passed=what == "passed", note="",
        )

async def one(text):
    """What a real connection looks like on which `text` is sent."""
    async def handler(ws):
        async for message in ws:
            await ws.send(message)

    server = await serve(handler)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send(text)
            await ws.recv()
        await recording.settled()
    await server.stop()
    return recording

def result(outcomes):
    passed = {outcome.name for outcome in outcomes if outcome.passed}
    return "distinction" if len(passed) == 4 else "passed" if {"T1", "T3"} <= passed else "not passed"
'''


@pytest.fixture(scope="session")
def copy(tmp_path_factory):
    """A copy of the checkout with the content above, at a path with a space and a letter beyond ASCII."""
    root = tmp_path_factory.mktemp("prüfung am ende")
    for folder in ("wslab", "checkpoint/runner"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "exercises").mkdir()
    tests = [f"checkpoint/{name}" for name in ("conftest.py", "pytest.ini", "test_work.py")]
    for file in ("pyproject.toml", "exercises/exercises.toml", *tests):
        shutil.copy(ROOT / file, root / file)
    for file, text in {
        "questions/__init__.py": "",
        "questions/catalogue.py": QUESTIONS,
        "questions/desk.py": DESK,
        "capstone/trials.py": TRIALS,
        "capstone/starter/auction.py": '{"T1": "to do"}',
        "capstone/starter/parts/more.py": "MORE = 1\n",
    }.items():
        path = root / "checkpoint" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


@pytest.fixture
def checkpoint(copy, tmp_path):
    """Run `wslab checkpoint` in the copy, on work of this test's own."""
    return Checkpoint(copy, tmp_path)


class Checkpoint:
    """The command, and the learner's folder that it judges."""

    def __init__(self, root, tmp_path):
        self.root, self.place, self.tmp = root, tmp_path / "learner", tmp_path / "tmp"
        self.place.mkdir()
        self.tmp.mkdir()
        self.env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.env |= {"PYTHONPATH": str(root), "WSLAB_CHECKPOINT": str(self.place), "TMPDIR": str(self.tmp)}

    def answer(self, *statuses):
        (self.place / "questions.ipynb").write_text(json.dumps(statuses), "utf-8")

    def work(self, **says):
        (self.place / "work").mkdir(exist_ok=True)
        (self.place / "work" / "auction.py").write_text(json.dumps(says), "utf-8")

    def popen(self, *arguments, program=("-m", "wslab.cli", "checkpoint"), **options):
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            **{"stderr": subprocess.PIPE, **options},
        )

    def __call__(self, *arguments, **options):
        """Status, output, and what went to stderr."""
        with self.popen(*arguments, **options) as process:
            out, err = process.communicate(timeout=60)
        assert "Traceback" not in out + err, out + err
        return process.returncode, out, err

    @property
    def left(self):
        """The processes that have to do with this test's folders."""
        return [p for p in psutil.process_iter(["pid", "cmdline"]) if _about(p, str(self.place), str(self.tmp))]

    def left_nothing(self, within=3.0):
        """Has every process ended, and every file of the run gone?"""
        deadline = time.monotonic() + within
        while (self.left or os.listdir(self.tmp)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.left and os.listdir(self.tmp) == []


def _about(process, *folders):
    try:
        told = [*(process.info["cmdline"] or ()), process.cwd()]
    except psutil.Error:
        return False
    return process.pid != os.getpid() and any(folder in part for folder in folders for part in told)


def seen(path):
    """Wait until a file is there."""
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} has not come"
        time.sleep(0.02)
    return path


ALL_RIGHT = ("right", "right", "right", "right")


# What is judged


def test_a_line_for_each_item_and_what_they_come_to(checkpoint):
    """First how long it takes; then questions, tests, the parts' own rules; status 0 when passed, distinction named."""
    checkpoint.answer(*ALL_RIGHT)
    checkpoint.work(T9="x")
    status, out, err = checkpoint()
    rows = [line.split()[:2] for line in out.splitlines()[1:9]]
    assert status == 0, out + err
    assert out.startswith("checkpoint: 4 questions, 4 tests of the capstone; less than half a minute (seed ")
    assert rows == [[name, "ok"] for name in ("Q1", "Q2", "Q3", "Q4", "T1", "T2", "T3", "T4")]
    assert "You have passed the checkpoint with distinction." in out
    checkpoint.work(T2="bidders did not hear bid 7.")
    checkpoint.answer("right", "wrong", "right", "right")
    status, out, _ = checkpoint("--seed", "17")
    assert status == 0 and "distinction" not in out
    assert "questions: passed (3 of 4 right)\ncapstone: passed (3 of 4 tests passed)\n" in out
    assert "Q2   FAIL  Question 2\n           Q2 wrong\n           before the next try, read notebooks/02" in out
    assert "T2   FAIL  Test 2\n           T2: bidders did not hear bid 7.\n           look at: arrow 3 of the" in out
    assert '─ TEXT "T2: bidders did not hear bid 7."' in out and "◀── here" in out
    assert out.endswith("wslab checkpoint T2 --seed 17\n") and "You have passed the checkpoint.\n" in out


def test_a_core_test_or_a_diagram_missing_is_no_pass(checkpoint):
    """Three of four questions pass, two do not; without a core test the capstone is not passed."""
    checkpoint.answer(*ALL_RIGHT)
    checkpoint.work(T3="no")
    status, out, _ = checkpoint()
    assert status == 1 and "capstone: not passed yet (3 of 4 tests passed; of the core these did not: T3)" in out
    checkpoint.answer("right", "unreadable", "right", "unable")
    checkpoint.work(T4="no")
    status, out, _ = checkpoint("--json")
    told = json.loads(out)
    assert (status, told["passed"], told["distinction"]) == (1, False, False)
    assert [item["verdict"] for item in told["items"]][:4] == ["passed", "failed", "passed", "not runnable"]


def test_what_is_asked_for_is_judged(checkpoint):
    """Single items in their order, whatever is wrong elsewhere; a part of all is no distinction."""
    checkpoint.answer("wrong", "right", "right", "right")
    checkpoint.work(T1="no")
    status, out, _ = checkpoint("t2", "Q4", "--json")
    told = json.loads(out)
    assert status == 0 and [item["name"] for item in told["items"]] == ["Q4", "T2"]
    assert told["passed"] and not told["distinction"]


def test_parts_and_milestones_can_be_asked_for():
    """All without a choice; several choices add up; what is not there is named beside what is."""
    every = [item.name for item in items.items()]
    questions, tests = every[:20], every[20:]
    assert questions == [f"Q{n}" for n in range(1, 21)] and tests == [f"T{n}" for n in range(1, 23)]

    def names(*only, **parts):
        return [item.name for item in items.wanted(only, **parts)]

    assert names() == every
    assert names(questions=True) == questions and names(capstone=True) == tests
    assert names("T1", milestone=1) == ["T1", *trials().milestone(1)]
    assert sorted(name for number in range(1, 6) for name in names(milestone=number)) == sorted(tests)
    with pytest.raises(LabError, match="the checkpoint has no Q21, T0: there are Q1 … Q20, T1 … T22"):
        names("Q21", "t0")
    with pytest.raises(LabError, match="there is no milestone 7: there are 1, 2, 3, 4, 5"):
        names(milestone=7)


def test_the_record_holds_what_was_judged(checkpoint, monkeypatch):
    """Seed, answers, digests of the recordings and versions; an item that is not asked again keeps its last one."""
    from wslab import state

    monkeypatch.setenv("WSLAB_STATE", checkpoint.env["WSLAB_STATE"])
    checkpoint.answer(*ALL_RIGHT)
    checkpoint.work()
    assert checkpoint("--seed", "5")[0] == 0
    first = state.read("checkpoint")
    assert (first["seed"], first["passed"], set(first["versions"])) == (5, True, {"wslab", "websockets", "python"})
    assert (first["items"]["Q1"]["answer"], first["items"]["Q1"]["seed"]) == ("{1, 2}", "1/1/1")
    assert checkpoint("T2")[0] == 0
    again = state.read("checkpoint")["items"]
    assert len(again) == 8 and len(again["T2"]["recording"]) == 64
    assert again["T2"]["recording"] == first["items"]["T2"]["recording"]


# Where the work is


def test_nothing_begun_says_what_to_do_first(checkpoint):
    """Without work no item passes, and the last lines say where to begin; `--start` never overwrites."""
    status, out, _ = checkpoint()
    assert status == 1
    assert "T1   -     Test 1 (not begun)\nT2   -     Test 2 (not begun)\n" in out
    assert "The questions: 'wslab checkpoint --start' brings " in out
    assert "The capstone: 'wslab checkpoint --start' makes " in out
    status, out, _ = checkpoint("--start")
    assert status == 0 and out.count("is yours now") == 3
    assert (checkpoint.place / "questions.ipynb").read_bytes() == PRISTINE.read_bytes()
    assert (checkpoint.place / "work" / "parts" / "more.py").read_text() == "MORE = 1\n"
    status, out, _ = checkpoint("--capstone")
    assert status == 1 and out.count("(not begun)") == 4 and out.count("work/auction.py is as it was made") == 1
    checkpoint.work(T1="mine")
    (checkpoint.place / "work" / "parts" / "more.py").unlink()
    status, out, _ = checkpoint("--start")
    assert status == 0 and (out.count("stays as it is"), out.count("is yours now")) == (2, 1)
    assert "mine" in (checkpoint.place / "work" / "auction.py").read_text()


def test_open_questions_are_not_begun(checkpoint):
    """An answer that is still open is no failure of the learner's, and no pass."""
    checkpoint.answer("open", "open", "open", "open")
    status, out, _ = checkpoint("--questions")
    assert status == 1 and "Q1   -     Question 1" in out and "The questions: open " in out


def test_a_missing_engine_is_not_runnable(checkpoint):
    """Nothing is judged, with one line for each test; never a pass."""
    checkpoint.work(engine=True)
    status, out, _ = checkpoint("--capstone", "--json")
    told = json.loads(out)
    assert status == 1 and {item["verdict"] for item in told["items"]} == {"not runnable"}
    assert told["items"][1]["line"] == "T2: not runnable: caddy is not installed"


# Reports


def test_junit_names_every_verdict(checkpoint, tmp_path):
    """A suite for each part; a failure or an error with its recording; whatever the learner wrote, it is XML."""
    checkpoint.answer("wrong", "right", "unable", "open")
    checkpoint.work(T2=EVIL)
    report = tmp_path / "report.xml"
    assert checkpoint("--junit", str(report))[0] == 1
    root = ElementTree.parse(report).getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("8", "3", "1")
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["checkpoint.questions", "checkpoint.capstone"]
    kinds = [[child.tag for child in case] for case in suites["checkpoint.questions"]]
    assert kinds == [["failure"], [], ["error"], ["failure"]]
    wrong = suites["checkpoint.capstone"][1][0]
    assert wrong.get("message") == "T2: <script>alert(1)</script>\"'&\\x1b[31m\\u202e"
    assert "◀── here" in wrong.text


def test_html_is_one_file_that_shows_the_recordings(checkpoint, tmp_path, pytestconfig):
    """Opened in a browser: every item, each picture drawn, with its narration; no script, nothing from elsewhere."""
    checkpoint.answer("wrong", "right", "unable", "open")
    checkpoint.work(T2=EVIL)
    report = tmp_path / "report.html"
    assert checkpoint("--html", str(report))[0] == 1
    text = report.read_text("utf-8")
    assert "<script" not in text and "\x1b" not in text and "\u202e" not in text
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1100, "height": 1400})
        asked = []
        page.on("request", lambda request: asked.append(request.url.split(":")[0]))
        page.on("dialog", lambda dialog: pytest.fail("a script ran"))
        page.goto(report.as_uri())
        folder = pytestconfig.getoption("--screenshots")
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=folder / "checkpoint.png", full_page=True)
        rows = page.locator(".row").all_inner_texts()
        widths = page.locator("img").evaluate_all("images => images.map(image => image.naturalWidth)")
        alts = page.locator("img").evaluate_all("images => images.map(image => image.alt)")
        shown = page.locator("details[open] > .more > p").all_inner_texts()
        wide = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        browser.close()
    assert [row.split("\n")[1] for row in rows] == ["Q1", "Q2", "Q3", "Q4", "T1", "T2", "T3", "T4"]
    assert len(widths) == 4 and min(widths) > 600
    assert all("3. " in alt and ("hello" in alt or "script" in alt) for alt in alts)
    assert any("<script>alert(1)</script>" in line for line in shown) and wide
    assert set(asked) <= {"file", "data"}


def test_a_report_that_cannot_be_written_is_one_line(checkpoint, tmp_path):
    """The verdicts are told all the same."""
    checkpoint.answer(*ALL_RIGHT)
    status, out, err = checkpoint("--questions", "--junit", str(tmp_path / "none" / "report.xml"))
    assert status == 1 and "Q4   ok" in out and "Traceback" not in err and "report.xml" in err


def test_pytest_comes_to_the_same(checkpoint, tmp_path):
    """`pytest checkpoint`: a line for each item, the same lines for what failed, the same report; never a skip."""
    checkpoint.answer("right", "right", "wrong", "right")
    checkpoint.work(T2="bidders did not hear bid 7.", T4="kill")
    report, xml = tmp_path / "report.html", tmp_path / "report.xml"
    plain = [f"-pno:{name}" for name in "asyncio xdist cacheprovider hypothesispytest".split()]  # pytest alone will do
    pytest_ = ("-m", "pytest", "checkpoint", *plain, "--capstone-seed", "17")
    status, out, _ = checkpoint("--report", str(report), f"--junitxml={xml}", program=pytest_)
    assert status == 1
    for name, word in zip("Q1 Q2 Q3 Q4 T1 T2 T3 T4".split(), "P P F P P F P F".split(), strict=True):
        assert f"checkpoint/test_work.py::test_item[{name}] {'PASSED' if word == 'P' else 'FAILED'}" in out
    assert "4 tests of the capstone; less than half a minute (seed 17)" in out
    assert (
        "           T2: bidders did not hear bid 7.\n           look at: arrow 3 of the recording: T2: bidders" in out
    )
    assert "capstone: passed (2 of 4 tests passed)" in out
    assert "data:image/png" in report.read_text("utf-8")
    assert ElementTree.parse(xml).getroot()[0].get("failures") == "3"
    assert checkpoint.left_nothing()


@pytest.mark.slow
def test_pytest_picks_a_milestone(checkpoint):
    """Milestones are marks; status 0 where all that was picked passed."""
    checkpoint.work(T4="no")
    pytest_ = ("-m", "pytest", "checkpoint", "-p", "no:cacheprovider", "-m", "milestone2", "-k", "not T4")
    status, out, _ = checkpoint(program=pytest_)
    assert status == 0 and "1 passed, 7 deselected" in out


def test_the_kits_own_tests_do_not_collect_it():
    """Plain `pytest` in the checkout runs the kit's tests only."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        assert tomllib.load(file)["tool"]["pytest"]["ini_options"]["testpaths"] == ["tests"]


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal as POSIX has them")
def test_the_bar_says_where_it_is(checkpoint):
    """On a terminal a bar shows what is judged and how long the rest takes, and is gone at the end."""
    import pty

    checkpoint.answer(*ALL_RIGHT)
    ours, theirs = pty.openpty()
    with checkpoint.popen("--questions", stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while some := os.read(ours, 4096):
                shown += some
        process.communicate(timeout=30)
    os.close(ours)
    bars = [line for line in shown.decode().split("\r\x1b[K") if line]
    assert bars == [
        f"[{'#' * 6 * n}{'.' * (24 - 6 * n)}] {n}/4  Q{n + 1}  less than half a minute left" for n in range(4)
    ]


# Faults


def test_hang_and_crash_cost_nobody_else_a_verdict(checkpoint):
    """A test that hangs the judge is timed out, one that ends it has crashed; the others are judged all the same."""
    checkpoint.work(T2="hang", T3="exit", T4="kill")
    began = time.monotonic()
    status, out, _ = checkpoint("--capstone", "--json")
    assert status == 1
    assert [(item["name"], item["verdict"]) for item in json.loads(out)["items"]] == [
        ("T1", "passed"),
        ("T2", "timed out"),
        ("T3", "crashed"),
        ("T4", "crashed"),
    ]
    assert time.monotonic() - began < 40
    assert checkpoint.left_nothing()


@pytest.mark.skipif(sys.platform != "linux", reason="another process's files are found on Linux only")
def test_forged_verdicts_do_not_count(checkpoint):
    """What a learner's process writes where the judge's verdicts go, it writes in vain."""
    checkpoint.work(T1="forge")
    status, out, err = checkpoint("--capstone", "--json")
    assert status == 1 and "Traceback" not in err
    assert [item["verdict"] for item in json.loads(out)["items"]] == ["failed", "passed", "passed", "passed"]


@pytest.mark.skipif(sys.platform != "linux", reason="a process that clears its environment is found on Linux only")
def test_what_got_away_is_ended(checkpoint):
    """A daemon that left its parent and its session, and cleared its environment, is counted and ended."""
    checkpoint.work(T1="daemon")
    status, _, err = checkpoint("T1", "T2")
    assert status == 0 and "1 process that was left behind has been ended" in err
    assert not psutil.pid_exists(int((checkpoint.place / "work" / "daemon").read_text()))
    assert checkpoint.left_nothing()


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize("way", ["SIGINT", "SIGKILL"])
def test_the_end_of_the_runner_is_the_end_of_all(checkpoint, tmp_path, way):
    """Ctrl+C writes what there is, status 130; after kill -9 nothing is left within seconds, files included."""
    checkpoint.work(T2="wait")
    report = tmp_path / "report.xml"
    process = checkpoint.popen("--capstone", "--junit", str(report))
    with process:
        seen(checkpoint.place / "work" / "waits")
        assert len(checkpoint.left) >= 3  # runner, judge, supervisor
        process.send_signal(getattr(signal, way))
        out, err = process.communicate(timeout=10)
    assert "Traceback" not in err
    if way == "SIGINT":
        assert process.returncode == 130
        assert [case.get("name") for case in ElementTree.parse(report).iter("testcase")] == ["T1 Test 1"]
        assert "capstone: 1 of 1 tests passed\nNot passed yet." in out
        assert checkpoint.left_nothing()
    else:
        deadline = time.monotonic() + 3
        while checkpoint.left and time.monotonic() < deadline:
            time.sleep(0.02)
        assert checkpoint.left == []
        assert [name for name in os.listdir(checkpoint.tmp) if os.listdir(checkpoint.tmp / name)] == []


# The real questions and the real capstone


needs_engines = pytest.mark.skipif(any(map(missing, ENGINES)), reason="needs Caddy and NATS")


@pytest.fixture
def real(tmp_path):
    """The command of this checkout, on work of this test's own; the capstone is the reference."""
    real = Checkpoint(ROOT, tmp_path)
    real.env |= {"WSLAB_SEED": "77"}
    shutil.copytree(trials().REFERENCE, real.place / "work")
    return real


def key(number):
    """The right answer for the learner with seed 77, from a recording."""
    question = load("questions.catalogue").QUESTIONS[number]
    drawn = question.drawn(f"77/{number}/1")
    return question.key(drawn, load("questions.desk").collect(question, drawn))


def answered(place, answers):
    """Put these answers into the learner's notebook."""
    notebook = json.loads(PRISTINE.read_text("utf-8"))
    (place / "questions.ipynb").write_text(json.dumps(load("questions.paper").filled(notebook, answers)), "utf-8")


def test_real_questions_are_judged(real):
    """A right answer passes, a wrong one shows the recording that decides, and ends its try."""
    answered(real.place, {16: key(16), 2: {"arrow": 1, "because_of": 1}})
    status, out, _ = real("Q2", "Q16", "Q17")
    assert status == 1 and "questions: 1 of 3 right" in out
    assert "Q16  ok    A frame, byte by byte\n" in out and "Q17  -     Bytes on the wire (not begun)" in out
    assert "Q2   FAIL  " in out and "           question 2, " in out and "◀── here" in out
    assert real("Q16")[0] == 0


@needs_engines
@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_real_servers_do_not_outlive_the_runner(real):
    """Killed in the middle of a test, the runner takes judge, servers, balancer and backplane with it."""
    with real.popen("T5", "T9") as process:
        process.stdout.readline()
        assert process.stdout.readline().startswith("T5   ok ")
        family = psutil.Process(process.pid).children(recursive=True)
        assert {"caddy", "nats-server"} <= {child.name() for child in family}
        process.kill()
        process.wait(10)
    assert psutil.wait_procs([child for child in family if _lives(child)], timeout=3)[1] == []
    assert [p for p in Path(real.tmp).rglob("*") if p.is_file()] == []


@needs_engines
def test_a_real_app_is_judged(real):
    """One place is wrong, one test fails, with its own line and its recording; the other test passes."""
    file = real.place / "work" / "auction.py"
    wrong = module(ROOT / "checkpoint" / "capstone" / "mutants" / "w08_user_from_the_body.py")
    file.write_text(file.read_text("utf-8").replace(wrong.OLD, wrong.NEW), "utf-8")
    status, out, _ = real("T3", "T5")
    assert status == 1 and "T3   ok " in out and "T5   FAIL  " in out
    assert "           T5: bid recorded for " in out


def _lives(process):
    with contextlib.suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


@needs_engines
@pytest.mark.slow
def test_the_whole_checkpoint_passes_with_the_reference(real):
    """Twenty right answers and the reference: with distinction, in less than four minutes."""
    answered(real.place, {number: key(number) for number in load("questions.catalogue").QUESTIONS})
    began = time.monotonic()
    process = real.popen("--html", str(real.place / "report.html"))
    with process:
        out, err = process.communicate(timeout=400)
    assert process.returncode == 0, out + err
    assert "You have passed the checkpoint with distinction." in out
    assert time.monotonic() - began < 240
    assert real.left_nothing()


LARGE = """
import sys
from wslab.grading.worker import limit
from wslab.recording import Recording, load
from wslab.trace import Event, Kind, Trace
from checkpoint.runner.worker import _kept

data = b"x" * 60_000
event = dict(kind=Kind.TEXT, up=True, source="Ada", target="Server", connection="Ada", tap="t", length=len(data))
trace = Trace(Event(number=n, ordinal=n, payload=data, raw=data, **event) for n in range(40))
limit(1_000_000)
kept = _kept(Recording(trace, title="T14: large"), {"recordings": sys.argv[1]}, "T14")
found = load(kept["recording"])
print(kept["title"], len(found.trace), found.trace.events[7].length, len(found.trace.events[7].payload))
limit(10)
print(_kept(Recording(trace), {"recordings": sys.argv[1]}, "T15"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_a_recording_that_is_too_large_costs_no_verdict(tmp_path):
    """Of what cannot be kept as a whole the beginnings are kept, and where there is no room at all, nothing is."""
    command = [sys.executable, "-c", LARGE, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "T14: large 40 60000 1024\n{}\n"
