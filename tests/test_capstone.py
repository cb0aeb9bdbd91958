"""The capstone: the reference passes, every wrong one meets its own line, and nothing fools or hangs the judge."""

import asyncio
import contextlib
import time

import psutil
import pytest
from capstone_matrix import MUTANTS, Mutant, mutants, play
from kit import ROOT

from checkpoint.capstone import trials
from checkpoint.capstone.alone import alone
from checkpoint.capstone.judge.bidder import Bidder, dial
from wslab.engines.binaries import ENGINES, missing

needs_engines = pytest.mark.skipif(any(map(missing, ENGINES)), reason="an engine is not installed")
CORE = ["T1", "T3", "T5", "T6", "T9"]
QUICK = {"W3", "W8", "W14"}


def slow(*values):
    """A case that runs with --slow."""
    return pytest.param(*values, marks=pytest.mark.slow)


EVIL = {
    "exits": ("        os._exit(0)\n", "T5", "crashed"),
    "is killed": ("        os.kill(os.getpid(), 9)\n", "T5", "crashed"),
    "loops": ("        while True: pass\n", "T5", "timed out"),
    "floods": ("        while True: print('x' * 10**6)\n", "T5", "failed"),  # it may print only so much
}


def wrong(tmp_path, **changes):
    """The reference with some texts replaced."""
    source = (trials.REFERENCE / trials.MODULE).read_text("utf-8")
    for old, new in changes.values():
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    (tmp_path / trials.MODULE).write_text(source, "utf-8")
    return tmp_path


def left():
    """The processes of trials that this one has started and that are alive."""
    names = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            names.append(" ".join(process.cmdline()))
    return [name for name in names if "checkpoint.capstone.judge" in name or "caddy" in name or "nats-server" in name]


def told(outcomes):
    """All lines, for a failing assertion."""
    return [f"{outcome.name} {outcome.verdict}: {outcome.line} {outcome.note}" for outcome in outcomes]


@needs_engines
async def test_the_reference_passes_the_core():
    """The five trials of the core pass on the reference, and leave no process behind."""
    outcomes = await play(CORE, trials.REFERENCE, 1)
    assert all(outcome.passed for outcome in outcomes), told(outcomes)
    assert all(len(outcome.recording.trace) for outcome in outcomes)
    assert not left()


@needs_engines
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
async def test_the_reference_passes_ten_times(seed):
    """All trials pass, whatever the seed."""
    outcomes = await play(list(trials.TRIALS), trials.REFERENCE, seed)
    assert all(outcome.passed for outcome in outcomes), told(outcomes)
    assert trials.result(outcomes) == "distinction"


@needs_engines
@pytest.mark.parametrize(
    "mutant",
    [pytest.param(each, id=each.name, marks=[] if each.name in QUICK else pytest.mark.slow) for each in mutants()],
)
async def test_a_wrong_capstone_meets_its_own_line(mutant, tmp_path):
    """Each wrong capstone fails the trial that it is named for, with its own line of feedback."""
    outcome = await trials.run(mutant.trial, mutant.build(tmp_path), 1)
    assert mutant.caught_by(outcome), told([outcome])


@needs_engines
@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((trials.HERE / "unusual").glob("*.py")), ids=lambda path: path.stem)
async def test_an_unusual_right_capstone_passes(path, tmp_path):
    """What the contract leaves open is left open."""
    outcomes = await play(list(trials.TRIALS), Mutant(path).build(tmp_path), 1)
    assert all(outcome.passed for outcome in outcomes), told(outcomes)


def test_there_are_25_wrong_capstones(tmp_path):
    """Each differs from the reference in one place, which is found; a place that is not found is told."""
    assert [each.name for each in mutants()] == [f"W{number}" for number in range(1, 26)]
    for each in mutants():
        each.build(tmp_path)
    mutant = mutants()[0]
    mutant.old = "this stands nowhere"
    with pytest.raises(ValueError, match="stands 0 times"):
        mutant.build(tmp_path)


@needs_engines
async def test_knowing_the_scenario_of_one_seed_is_no_help(tmp_path):
    """An app that knows what happens with one seed passes with that one, and with no other."""
    mutant = Mutant(MUTANTS / "hard_coded.py")
    mutant.build(tmp_path)
    outcomes = [await trials.run("T5", tmp_path, seed) for seed in (1, 2)]
    assert outcomes[0].passed, told(outcomes)
    assert mutant.caught_by(outcomes[1]), told(outcomes)


@needs_engines
@pytest.mark.parametrize("name", ["T3", *(slow(name) for name in trials.TRIALS if name != "T3")])
async def test_the_starter_fails_politely(name):
    """Who hands in the starter hears in one line what is missing."""
    outcome = await trials.run(name, trials.STARTER, 1)
    assert outcome.verdict == "failed", told([outcome])
    assert outcome.line.startswith(f"{name}: ") and "\n" not in outcome.line


@needs_engines
@pytest.mark.parametrize("what", ["exits", "loops", slow("is killed"), slow("floods")])
async def test_a_server_that_dies_or_hangs_is_told_so(what, tmp_path):
    """A crash is a crash, an endless loop a time-out; both are told soon, and nothing is left."""
    code, name, verdict = EVIL[what]
    begin = "        bidder, began, task = Bidder("
    wrong(tmp_path, imports=("import itertools\n", "import itertools\nimport os\n"), evil=(begin, code + begin))
    began = time.monotonic()
    outcome = await trials.run(name, tmp_path, 1)
    assert outcome.verdict == verdict, told([outcome])
    assert outcome.line.startswith(f"{name}: " if verdict == "failed" else f"{name}: {verdict}"), told([outcome])
    assert time.monotonic() - began < 25
    assert not left()


@needs_engines
async def test_a_client_that_exits_is_told_so(tmp_path):
    """The client under test runs in a process of its own, too."""
    begin = "        self.url, self.token = url, token\n"
    wrong(
        tmp_path,
        imports=("import itertools\n", "import itertools\nimport os\n"),
        evil=(begin, "        os._exit(0)\n" + begin),
    )
    outcome = await trials.run("T13", tmp_path, 1)
    assert outcome.verdict == "crashed" and "Clients ended" in outcome.line, told([outcome])


@needs_engines
@pytest.mark.parametrize(("code", "verdict"), [("os._exit(0)", "crashed"), slow("while True: pass", "timed out")])
async def test_a_server_that_does_not_even_begin_is_told_so(code, verdict, tmp_path):
    """A crash or an endless loop before the server serves has its own verdict, too."""
    (tmp_path / trials.MODULE).write_text(f"import os\n\ndef build(settings):\n    {code}\n", "utf-8")
    outcome = await trials.run("T1", tmp_path, 1)
    assert outcome.verdict == verdict and outcome.line.startswith(f"T1: {verdict}: Server"), told([outcome])
    assert not left()


@needs_engines
@pytest.mark.parametrize(
    ("source", "line"),
    [
        (
            "import nothing_of_this_name",
            "ModuleNotFoundError: No module named 'nothing_of_this_name' (auction.py, line 1)",
        ),
        ("def build(settings: pass", "SyntaxError"),
        ("x = 1", "auction.py has no 'build'"),
        ("def build(settings): return None", "AttributeError"),
    ],
)
async def test_what_cannot_be_started_is_not_runnable(source, line, tmp_path):
    """A module that cannot be imported, or makes no server, is told with its error."""
    (tmp_path / trials.MODULE).write_text(source + "\n", "utf-8")
    outcome = await trials.run("T1", tmp_path, 1)
    assert outcome.verdict == "not runnable" and line in outcome.line, told([outcome])


@needs_engines
async def test_leaving_early_ends_everything():
    """Who stops listening to the trials leaves no process behind."""
    outcomes = trials.run_all(["T5", "T6"], trials.REFERENCE, 1)
    assert (await anext(outcomes)).passed
    await outcomes.aclose()
    assert not left()


@needs_engines
async def test_one_server_can_be_tried_alone():
    """One server without a balancer lets a bidder in."""
    async with alone(trials.REFERENCE) as house:
        bidder = Bidder(await dial(house.url, "ada"), "ada")
        welcome = await bidder.ask("auth", {"token": await house.admit("ada")})
        await bidder.leave()
    assert welcome["body"]["user"] == "ada"
    await asyncio.sleep(0)


def test_the_trials_are_those_of_the_brief():
    """Five milestones hold all 22; the brief lists the same, the core in bold."""
    assert list(trials.TRIALS) == [f"T{number}" for number in range(1, 23)]
    brief = (ROOT / "checkpoint/capstone/BRIEF.md").read_text("utf-8")
    for number in range(1, 6):
        row = next(line for line in brief.splitlines() if line.startswith(f"| {number} |"))
        named = [word.strip("*") for word in row.split("|")[3].split()]
        assert named == sorted(trials.milestone(number), key=named.index)
        assert set(named) == set(trials.milestone(number))
        for name in named:
            assert (f"**{name}**" in row) is trials.TRIALS[name].core


def test_what_is_passed_and_what_is_distinction():
    """The core passes; all that is marked and four fifths of the rest is distinction."""
    passed = lambda names: [trials.Outcome(name, "passed") for name in names]  # noqa: E731
    for outcome in (all_of := passed(trials.TRIALS)):
        outcome.verdict = trials.Verdict.PASSED
    assert trials.result(all_of) == "distinction"
    assert trials.result(all_of[:-3]) == "passed"
    assert trials.result(all_of[:-2]) == "distinction"
    assert trials.result(all_of[1:]) == "not passed"
    assert trials.result([outcome for outcome in all_of if outcome.name != "T10"]) == "passed"
