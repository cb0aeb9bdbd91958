"""The twenty questions: keys from recordings beside keys from rules, verdicts both ways, the notebook, and luck."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys

import nbformat
import pytest
from kit import ROOT, build
from nbclient import NotebookClient
from question_rules import KEYS, answer_to

from wslab import predict, progress, reveal, state
from wslab.engines.binaries import find
from wslab.errors import LabError
from wslab.trace import Kind

sys.path.append(str(ROOT / "checkpoint"))  # where the notebook finds the package, beside itself

import questions
from questions import attempts, desk, paper
from questions.catalogue import ALSO, QUESTIONS, chances, of_group
from questions.model import evidence_for

SEEDS = 1000
FEW = {number: 4 for number in (1, 2, 6, 7, 8, 13, 14, 16, 17, 18)}  # cheap ones; two of the others
PROCESSES = (10, 11, 19)  # seconds each: their right answers, by rule, are judged beside a recording below
NOTEBOOK = ROOT / "checkpoint" / "questions.ipynb"
NUMBERS = list(QUESTIONS)


def has_engines():
    try:
        return bool(find("caddy") and find("nats-server"))
    except LabError:
        return False


needs_engines = pytest.mark.skipif(not has_engines(), reason="needs Caddy and NATS")
EVERY = [pytest.param(number, marks=needs_engines) if number in (10, 11) else number for number in NUMBERS]


def drawn_for(number, seed):
    """The values of the first try at a question by the learner with this seed."""
    return QUESTIONS[number].drawn(f"{seed}/{number}/1")


def by_rule(number, drawn, evidence=None):
    """The key from rules; how long the head of an answer is, with its date and versions, no rule tells."""
    key = KEYS[number](drawn)
    if number == 8:
        head = next((len(e.raw) for e in evidence.events if e.kind is Kind.RESPONSE), 0) if evidence else 160
        key["down"] = answer_to(drawn, head)
    return key


def situations(number, seeds):
    """The different values that these seeds draw; what is recorded for question 19 depends on the items alone."""
    found = {}
    for seed in seeds:
        drawn = drawn_for(number, seed)
        found.setdefault(json.dumps(drawn["items"] if number == 19 else drawn), []).append(drawn)
    return found.values()


def assert_agreement(number, seeds):
    """Record every different situation for real; the key read from it is the key from rules."""
    question = QUESTIONS[number]
    for alike in situations(number, seeds):
        evidence = asyncio.run(evidence_for(question, alike[0]))
        for drawn in alike:
            key, rule = question.key(drawn, evidence), by_rule(number, drawn, evidence)
            wrong = [name for name, pick, form in question.cells(drawn) if not form.agrees(pick(rule), pick(key))]
            assert wrong == [], (drawn, rule, key)
            assert_every_part_has_its_line(question, drawn, rule, evidence)


def assert_every_part_has_its_line(question, drawn, key, evidence):
    """Whatever part is wrong, there is a line that does not hold the answer, and an arrow to look at."""
    dice = random.Random(3)
    for name, pick, form in question.cells(drawn):
        right = pick(key)
        said = next(said for said in iter(lambda form=form: form.guess(dice), object()) if not form.agrees(said, right))
        why = question.why(name, said, drawn, evidence)
        assert evidence.row(why.where) is not None, (name, said)
        assert why.line and (not isinstance(right, str | int) or len(repr(right)) < 3 or repr(right) not in why.line)


@pytest.mark.parametrize("number", [number for number in NUMBERS if number not in PROCESSES])
def test_recordings_and_rules_agree(number):
    """For a few seeds: what really crossed the wire is what the rules say."""
    assert_agreement(number, range(FEW.get(number, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("number", EVERY)
def test_recordings_and_rules_agree_over_1000_seeds(number):
    """For every situation that 1,000 seeds draw: what really crossed the wire is what the rules say."""
    assert_agreement(number, range(SEEDS))


# Luck ------------------------------------------------------------------------------------------------------------


def test_a_guess_is_right_less_than_once_in_a_hundred():
    """Whatever is drawn, the chance of a guess is below 1 % for each question."""
    assert {number: chance for number, chance in chances(100).items() if chance >= 0.01} == {}


def test_the_chance_of_each_form_is_that_of_its_guesses():
    """What a form says about its chance is what 1,000 guesses have, and never less."""
    dice = random.Random(1)
    for number, question in QUESTIONS.items():
        drawn = drawn_for(number, 1)
        key = by_rule(number, drawn)
        for name, pick, form in question.cells(drawn):
            met = sum(form.agrees(form.guess(dice), pick(key)) for _ in range(1000)) / 1000
            assert met <= form.chance + 0.06, (number, name)


def test_a_random_answerer_fails():
    """Over 1,000 seeds somebody who guesses has less than a tenth right, and never passes."""
    dice, best, right = random.Random(2), 0, 0
    for seed in range(SEEDS):
        met = 0
        for number, question in QUESTIONS.items():
            drawn = drawn_for(number, seed)
            guess = question.guess(drawn, dice)
            assert seed or desk._misfit(question, drawn, guess) == ""
            met += not question.right(drawn, guess, by_rule(number, drawn))
        best, right = max(best, met), right + met
    assert right < 0.1 * SEEDS * len(QUESTIONS)
    assert best < desk.ENOUGH


def test_the_chances_stand_in_the_readme():
    """The README's table is what the questions compute, for the luckiest of 1,000 learners."""
    text = (ROOT / "checkpoint" / "README.md").read_text("utf-8")
    for number, chance in chances().items():
        assert f"| {number} | {QUESTIONS[number].title} | 1 in {round(1 / chance):,} |" in text


# Verdicts --------------------------------------------------------------------------------------------------------


# What somebody answers who holds the belief that the question is to meet; the part that is named, words of the line.
BELIEFS = {
    1: ("every message is a handshake", lambda d, k: k | {"handshakes": k["up"] + k["down"]}, "handshakes",
        "no message needs one of its own"),
    2: ("the first answer is the new arrow", lambda d, k: k | {"arrow": k["because_of"] + 1}, "arrow", "question open"),
    3: ("answers keep the order of the questions", lambda d, k: k | {"tasks": [0, 1, 2, 3]}, "tasks",
        "the shortest work is done first"),
    4: ("a late answer goes to the next call", lambda d, k: k | {"d": max(
        (v for n, v in d["values"].items() if d["times"][n] > 0.15))}, "d", "belongs to the call whose id it carries"),
    5: ("only the client of this handler waits", lambda d, k: dict(zip(k, d["asked"], strict=True)), "first",
        "stops the loop"),
    6: ("every refusal is a 403", lambda d, k: {row: s if s == 101 else 403 for row, s in k.items()}, "", ""),
    7: ("every error is a close code", lambda d, k: {row: ("close", 1011) for row in k}, "", ""),
    8: ("only the header shows it", lambda d, k: k | {"up": k["up"][:1], "in_log": []}, "", ""),
    9: ("it closes by itself", lambda d, k: dict.fromkeys(k, d["lives"]), "", "looks at the clock"),
    10: ("the balancer spreads messages", lambda d, k: dict.fromkeys(k, sum(k.values()) // 3), "",
         "once for a connection"),
    11: ("everybody hears it", lambda d, k: k | {"without": k["with"]}, "without", "the set lives in one process"),
    12: ("broadcast costs nothing", lambda d, k: k | {"broadcast_waiting_kB": 0}, "broadcast_waiting_kB",
         "throws nothing away"),
    13: ("every order is possible", lambda d, k: {"possible": set("abcdefg")}, "possible", "along one connection"),
    14: ("everything is sent again", lambda d, k: k | {"replay": list(range(d["first"], d["last"] + 1))}, "replay",
         "the first that it has not seen"),
    15: ("a handshake sets the counter back", lambda d, k: {
        "waits": [u * d["base"] for u in d["random"]], "reset": 1}, "waits", "a successful handshake does not"),
    16: ("a message is one frame", lambda d, k: k | {"fin": 1}, "fin", "whether the message ends with this frame"),
    17: ("both directions cost the same", lambda d, k: k | {f"up_{n}": k[f"down_{n}"] for n in (1, 2, 3)}, "up_1",
         "carries a key"),
    18: ("valid JSON is a valid message", lambda d, k: {
        row: said if said in ("bad_json", "too_big", "not_text") else "ok" for row, said in k.items()}, "", ""),
    19: ("what a variable holds is kept", lambda d, k: {row: {"socket", "process", "both"} for row in k}, "", ""),
    20: ("1006 crosses the wire", lambda d, k: {
        row: [c[0], 1006, 1006, 1006, "quiet", "done"] for row, c in k.items()}, "", ""),
}  # fmt: skip


@pytest.mark.parametrize("number", EVERY)
def test_right_is_right_and_a_belief_meets_its_line(number):
    """The right answer passes; who holds the belief that the question is to meet is told which row and arrow decide."""
    belief, said, part, words = BELIEFS[number]
    question = QUESTIONS[number]
    drawn = question.drawn(attempts.seed(number))
    key = by_rule(number, drawn, desk.collect(question, drawn) if number == 8 else None)
    assert desk._misfit(question, drawn, key) == ""
    wrong = said(drawn, key)
    verdict = desk.verdict_of(number, wrong)
    assert verdict.status == "wrong", (belief, wrong, key)
    assert verdict.line.startswith(f"question {number}, {part}") and words in verdict.line
    named = re.match(rf"question {number}, ([^:]+): ", verdict.line)[1]
    pick = next(pick for name, pick, _ in question.cells(drawn) if name == named)
    assert verdict.arrow is not None and f"Look at arrow {verdict.arrow} " in verdict.line
    if isinstance(pick(key), float):
        assert f"{pick(key):.2f}" not in verdict.line
    assert attempts.of(number).misses == 1
    state.write("questions", {})
    assert desk.verdict_of(number, key).status == "right"
    assert attempts.of(number).right


def test_a_miss_ends_the_try_and_the_second_shows_the_section():
    """A missed answer is judged once; question() then draws new values; after the second miss the lesson is linked."""
    first = attempts.seed(17)
    wrong = dict.fromkeys(QUESTIONS[17].PARTS, 1)
    section = "[*3 What a frame costs* in lesson 5](../notebooks/05_data_format.ipynb#3-What-a-frame-costs)"
    assert section not in repr(questions.answer(17, wrong))
    assert questions.answer(17, wrong).status == "wrong" and attempts.of(17).misses == 1
    assert attempts.seed(17) == first
    assert "try 2, with new values" in repr(questions.question(17))
    assert attempts.seed(17) != first
    again = questions.answer(17, wrong)
    assert attempts.of(17).misses == 2 and section in repr(again)
    assert section in repr(questions.question(17))


def test_open_and_unreadable_answers_are_no_misses():
    """What is left open, or has another shape than was asked for, costs no try and says what is missing."""
    for value, status, words in (
        (..., "open", "not answered yet"),
        ({"a": "ok", "b": ...}, "open", "not answered yet"),
        (["ok"], "unreadable", "the answer is a dictionary with 'a', 'b'"),
        (dict.fromkeys("abcde", "ok"), "unreadable", "'f'"),
        (dict.fromkeys("abcdef", 3), "unreadable", "a asks for a value such as 'ok'"),
    ):
        verdict = questions.answer(18, value)
        assert verdict.status == status and words in verdict.line
        assert verdict.recording is None
    rows = {row: ["ConnectionClosedOK", 1000, 1000, 1000, "quiet"] for row in "abcdef"}
    assert "a asks for a list of 6: exception, rcvd" in questions.answer(20, rows).line
    assert attempts.of(18).misses == attempts.of(20).misses == 0


def test_no_value_is_too_strange():
    """Whatever stands in an answer either does not fit, with a word about it, or can be compared."""
    strange = (10**400, -1.5, float("nan"), float("inf"), True, None, "", b"x", [], {}, set(), [[]], [{}], (1, [2]), 1j)
    for number, question in QUESTIONS.items():
        drawn = drawn_for(number, 1)
        key = by_rule(number, drawn)
        for value in strange:
            assert desk._misfit(question, drawn, value)
            desk._misfit(question, drawn, dict.fromkeys(question.forms(drawn), value))
            for _, pick, form in question.cells(drawn):
                assert form.asks and (not form.fits(value) or form.agrees(value, pick(key)) in (True, False))


def test_three_cells_of_the_table_of_ends_may_be_wrong():
    """Question 20 is right with 33 of 36 cells, and wrong with 32."""
    question = QUESTIONS[20]
    drawn = drawn_for(20, 1)
    key = by_rule(20, drawn)
    said = {row: list(cells) for row, cells in key.items()}
    for row in "abc":
        said[row][5] = "done" if key[row][5] != "done" else "retry"
    assert question.right(drawn, said, key) == []
    said["d"][0] = "ConnectionClosed"
    assert len(question.right(drawn, said, key)) == 4


def test_passing_takes_seventeen_and_one_of_each_diagram():
    """Seventeen right pass, unless a diagram has none; question 14 counts for state, too, question 7 for errors."""

    def result(wrong):
        return desk.summary([desk.Verdict(n, "wrong" if n in wrong else "right") for n in NUMBERS])

    assert result({1, 3, 5}).passed
    assert not result({1, 3, 5, 9}).passed
    assert not result({1, 2}).passed and "none right about diagram 1" in result({1, 2}).line
    assert result({19, 20}).passed and not result({19, 14}).passed
    assert set(ALSO) == {7, 14} and sorted({n for g in range(1, 8) for n in of_group(g)}) == NUMBERS


# What comes first ------------------------------------------------------------------------------------------------


def test_what_went_wrong_comes_first():
    """Missed questions first, then what comes back to a wrong prediction or a failed exercise; answered ones last."""
    assert [number for number, _ in attempts.first()] == NUMBERS
    predict("p5.1", up=[1], down=[1])
    reveal("p5.1", up=[2], down=[1])
    predict("p4.2", hears=[1, 4, 7])
    reveal("p4.2", hears=[1, 4, 7])
    progress.remember("6.1", "6.1 counter: after the restart it read 3.")
    attempts.keep(13, "question 13, possible: …")
    attempts.keep(1, "")
    order = attempts.first()
    assert [number for number, _ in order][:3] == [13, 17, 19] and order[-1] == (1, "answered")
    assert order[1] == (17, "comes back to p5.1") and order[2] == (19, "comes back to 6.1")
    progress.remember("6.1", "")
    predict("p5.1", up=[2], down=[1])
    reveal("p5.1", up=[2], down=[1])
    assert attempts.first() == order  # what went wrong once is asked again, whatever came later


def test_what_questions_come_back_to_exists():
    """Every prediction and exercise that a question names is one of the course, and so is every section."""
    lessons = {path.stem: path.read_text("utf-8") for path in (ROOT / "notebooks" / "source").glob("*.py")}
    known = set(re.findall(r'predict\(\s*"([^"]+)"', "\n".join(lessons.values())))
    index = (ROOT / "exercises" / "exercises.toml").read_text("utf-8")
    known |= set(re.findall(r'(?m)^\["(\d\.\d)"\]', index))
    for question in QUESTIONS.values():
        assert set(question.about) <= known, question.number
        file, _, section = question.lesson.removeprefix("../notebooks/").partition(".ipynb#")
        headings = [heading.replace(" ", "-") for heading in re.findall(r"(?m)^# ##+ (.*)$", lessons[file])]
        assert section in headings, question.lesson


def test_state_that_makes_no_sense_counts_as_none():
    """A damaged file of tries gives a first try."""
    for kept in (3, {"turn": "x"}, {"turn": 0}, {"nothing": 1}, None):
        state.write("questions", {"4": kept})
        assert attempts.of(4) == attempts.Attempt()


# The notebook ----------------------------------------------------------------------------------------------------


def test_a_program_is_shown_whole():
    """Question 7 shows every line that runs."""
    shown = QUESTIONS[7].ask(drawn_for(7, 1), None)
    for line in ("def door(connection, request):", 'json.dumps({"price": PRICES[order["item"]]})', "max_size=200"):
        assert line in shown
    assert "too_many" not in shown and "leaving" not in shown


def stored():
    return json.loads(NOTEBOOK.read_text("utf-8"))


def test_the_notebook_is_built_from_its_source_and_ships_unrun():
    """The stored notebook is what the builder derives; it holds no output, and three cells for each question."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert notebook == nbformat.from_dict(build.exercise(ROOT / "checkpoint" / "source" / "questions.py"))
    assert all(cell.cell_type != "code" or not cell.outputs for cell in notebook.cells)
    sources = {cell.id: cell.source for cell in notebook.cells}
    shows = "\n".join(sources.values())
    for number, question in QUESTIONS.items():
        assert f"\nquestion({number})\n" in f"\n{shows}\n"
        assert sources[f"check-q{number}"] == f"answer({number}, answer_{number})"
        value = paper.value(stored(), number)
        assert list(value) == list(question.forms(drawn_for(number, 1)))
        assert desk._is_open(value)


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    """Unsolved it goes through; each question is shown, and none of its keys."""
    monkeypatch.setenv("WSLAB_SEED", "7")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=place).execute()
    shown = [
        output["data"]["text/markdown"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert sum("not answered yet" in text for text in shown) == len(QUESTIONS)
    for number, question in QUESTIONS.items():
        assert any(text.startswith(f"#### {number} · {question.title}") for text in shown)
    assert all(output.output_type != "error" for cell in notebook.cells for output in cell.get("outputs", []))


def test_answers_are_read_and_never_run(tmp_path):
    """Literals are read; what would have to be run is named, and nothing of it happens."""
    trap = tmp_path / "trap"
    cells = {
        1: 'answer_1 = {"connections": 3}',
        2: f"open({str(trap)!r}, 'w')\nanswer_2 = {{'arrow': 24}}",
        3: "answer_3 = {'tasks_s': 0.1 + 0.2}",
        4: "answer_4 = (",
        5: "answer_5 = " + "[" * 5000,
        6: "# nothing",
        13: 'answer_13 = {"possible": set()}',
    }
    notebook = {"cells": [
        {"cell_type": "code", "id": paper.cell_id(n), "source": source} for n, source in cells.items()
    ]}  # fmt: skip
    assert paper.value(notebook, 1) == {"connections": 3}
    assert paper.value(notebook, 2) == {"arrow": 24} and not trap.exists()
    for number, words in ((3, "has to be written out"), (4, "is not Python"), (5, "is not Python")):
        with pytest.raises(paper.NoLiteral, match=words):
            paper.value(notebook, number)
    assert paper.value(notebook, 6) is paper.value(notebook, 7) is ...
    assert paper.value(notebook, 13) == {"possible": set()}


def test_a_notebook_is_judged_without_a_kernel(tmp_path):
    """Right, wrong, open and computed answers each get their verdict; what is no notebook gets its line each time."""
    path = tmp_path / "questions.ipynb"
    answers = {number: by_rule(number, QUESTIONS[number].drawn(attempts.seed(number))) for number in (16, 17, 18)}
    answers[17] = dict.fromkeys(answers[17], 0)
    notebook = paper.filled(stored(), answers)
    for cell in notebook["cells"]:
        if cell["id"] == "answer-q14":
            cell["source"] = 'answer_14 = {"replay": list(range(3)), "lost": []}'
    path.write_text(json.dumps(notebook), "utf-8")
    found = {verdict.number: verdict for verdict in desk.judge_notebook(path, only=[13, 14, 16, 17, 18])}
    assert {number: verdict.status for number, verdict in found.items()} == {
        13: "open", 14: "unreadable", 16: "right", 17: "wrong", 18: "right"
    }  # fmt: skip
    assert found[17].recording is not None and found[17].recording.png()
    path.write_text("no notebook", "utf-8")
    assert {verdict.status for verdict in desk.judge_notebook(path)} == {"unreadable"}
