"""Every text of the kit that a learner meets can be translated, and no translation can break it."""

import ast
import io
import re

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from golden_text import recorded
from kit import ROOT, build

import wslab
from wslab import cli, errors
from wslab.errors import LabError, say, say_many
from wslab.exercise import NotSolved
from wslab.pictures import bytesview, sequence
from wslab.pictures.scene import scene
from wslab.trace import BESIDE, Trace

ACCENT = "\N{COMBINING ACUTE ACCENT}"
# Three English words in a row that nobody accented.
SENTENCE = re.compile(rf"(?:\b[A-Za-z]{{2,}}(?!{ACCENT})\b,? ){{2}}[A-Za-z]{{2,}}(?!{ACCENT})\b")


def accented(text):
    """`text` with an accent on every letter outside {…}."""
    parts = re.split(r"(\{[^{}]*\})", text)
    return "".join(part if part[:1] == "{" else re.sub(r"([A-Za-z])", rf"\1{ACCENT}", part) for part in parts)


def install(folder, monkeypatch, translate):
    """Choose a language in which every text of the kit is what `translate` makes of it."""
    catalog = read_po(io.StringIO(build.TEXTS.read_text("utf-8")))
    for message in catalog:
        if message.id:
            texts = [message.id] if isinstance(message.id, str) else message.id
            translated = [translate(text) for text in texts]
            message.string = translated[0] if isinstance(message.id, str) else tuple(translated)
    out = io.BytesIO()
    write_mo(out, catalog)
    choose(folder, monkeypatch, out.getvalue())


def choose(folder, monkeypatch, data):
    """Choose a language whose catalogue holds these bytes."""
    path = folder / "locale" / "eo" / "LC_MESSAGES" / "wslab.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    monkeypatch.setattr(errors, "LOCALE", folder / "locale")
    monkeypatch.setenv("LANGUAGE", "eo_XX:en")


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A language that looks like English with accents: what has none was not translated."""
    install(tmp_path, monkeypatch, accented)


def english(text):
    """The first English sentence in `text`, quotations apart; empty if there is none."""
    found = SENTENCE.search(re.sub(r'"[^"]*"', '""', text))
    return found[0] if found else ""


# The catalogue


def test_the_catalogue_is_what_the_code_says():
    """The committed catalogue holds the texts of the code, no more and no less."""
    assert build.TEXTS.read_text("utf-8") == build.texts(), "refresh it: python3 start.py build texts"


def test_the_catalogue_changes_only_with_a_text():
    """No date, no version of a tool and no line number stands in it."""
    head, *entries = build.texts().split("\n\n")
    assert not re.search(r"date|version|generated", head, re.IGNORECASE)
    assert not any(re.search(r"^#: .*:\d", entry, re.MULTILINE) for entry in entries)


# Texts that a learner meets


async def test_a_report_is_translated(foreign):
    """A check that fails tells in the learner's language what the kit has to say; the exercise's own lines stay."""
    with pytest.raises(NotSolved) as caught:
        wslab.check("0.2", lambda ws: None)
    lines = caught.value.report.text.splitlines()
    told = " ".join(line.strip() for line in lines if not line.startswith("0.2  "))
    assert accented("not a coroutine function: write async def, so that your code can wait") in told
    assert f'{accented("expected")} "async def" | {accented("saw")} {accented("a plain function")}' in told
    assert lines[-1].endswith(
        accented('not solved yet: repair the line with FAIL first. hint("{n}") helps.').format(n="0.2")
    )
    assert english(told) == ""


def test_a_hint_is_translated(foreign):
    """What stands around a hint is translated."""
    hint = repr(wslab.hint("2.1"))
    assert hint.startswith(accented("Hint {step} of 3 for {exercise}: ").format(step=1, exercise="2.1"))


def test_a_covered_card_is_translated(foreign):
    """A covered card asks in the learner's language; the question is the lesson's."""
    wslab.predict("p9.1", "Kiom?", seconds=...)
    card = repr(wslab.reveal("p9.1", seconds=0.1))
    assert card.splitlines() == [
        accented("{key} is covered: first your prediction, then the picture.").format(key="p9.1"),
        "Kiom?",
        accented("Change the cell with predict(...) above, run it, then run this cell again."),
    ]


def test_a_prediction_beside_its_recording_is_translated(foreign, capsys):
    """So is what was predicted beside what was recorded."""
    wslab.predict("p9.1", seconds=5.0)
    shown = capsys.readouterr().out + repr(wslab.reveal("p9.1", seconds=0.1))
    assert accented("you said {value}").format(value="5") in shown
    assert accented("✗ differs") in shown
    assert english(shown) == ""


@pytest.mark.parametrize("name", ["push", "cut", "hole", "invalid", "odd", "concurrent", "sequential", "compressed"])
def test_a_recording_is_translated(foreign, name):
    """Title, diagram, narration and every event byte by byte hold no English but the terms on the arrows."""
    trace = Trace(event for event in recorded(name) if event.kind not in BESIDE)
    terms = {text for event in trace for text in (event.headline, event.note) if text}
    terms |= {arrow.label.head for arrow in scene(trace).arrows if arrow.label.head}
    told = [sequence.finding(trace), *sequence.text(trace).splitlines(), *sequence.narrate(trace).splitlines()]
    for event in trace:
        told += bytesview.narrate(event).splitlines()
    for line in told:
        for term in sorted(terms, key=len, reverse=True):
            line = line.replace(term, "…")
        assert english(line) == "", line
    assert accented("Order is real along one line and from cause to effect.") in sequence.text(trace)


async def test_an_error_is_translated(foreign):
    """A misuse of the kit is told in the learner's language."""
    with pytest.raises(LabError) as caught:
        await wslab.serve(print)
    text = accented("a handler must be written with 'async def', and {name} is not: put async before def")
    assert str(caught.value) == text.format(name="print")


def test_the_command_line_is_translated(foreign, capsys):
    """So is what the command line says, its help included."""
    assert cli.main(["check", "x"]) == cli.FAILED
    text = accented("there is no notebook {lesson!r} in {folder}/: give a lesson such as 2, or an exercise such as 2.1")
    assert capsys.readouterr().err.strip() == text.format(lesson="x", folder="exercises")
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert accented("A course on WebSockets, from the command line.") in " ".join(capsys.readouterr().out.split())


# Whatever is wrong with a catalogue, English stands in


@pytest.mark.parametrize("broken", ["", "{nomo}", "{}", "{", "{name:q}", "{name.nomo}"])
def test_a_translation_that_does_not_fit_falls_back(tmp_path, monkeypatch, broken):
    """Nothing, a name that the text does not have, a lone brace, a format that does not fit: English, no exception."""
    install(tmp_path, monkeypatch, lambda text: broken)
    assert say("a handler must be written with 'async def', and {name} is not: put async before def", name="f") == (
        "a handler must be written with 'async def', and f is not: put async before def"
    )
    assert say_many("{count} arrow", "{count} arrows", 2) == "2 arrows"
    assert say("a text that no catalogue holds, {name}", name=1) == "a text that no catalogue holds, 1"


@pytest.mark.parametrize("data", [b"", b"\xde\x12\x04\x95", b"no catalogue", bytes(range(256)) * 4])
def test_a_broken_file_falls_back(tmp_path, monkeypatch, data):
    """A file that is no catalogue, or half of one, is as good as none."""
    choose(tmp_path, monkeypatch, data)
    assert say("a class") == "a class"


def test_a_formula_for_plurals_may_divide_by_zero(tmp_path, monkeypatch):
    """A catalogue whose formula fails counts in English."""
    catalog = read_po(
        io.StringIO('msgid "{count} arrow"\nmsgid_plural "{count} arrows"\nmsgstr[0] "a"\nmsgstr[1] "b"\n'), locale="eo"
    )
    out = io.BytesIO()
    write_mo(out, catalog)
    choose(tmp_path, monkeypatch, out.getvalue().replace(b"plural=(n != 1)", b"plural=(n % 0) "))
    assert say_many("{count} arrow", "{count} arrows", 2) == "2 arrows"


@pytest.mark.parametrize("languages", ["en_US:eo", "C", "eo_XX.UTF-8:en"])
def test_languages_are_asked_for_in_order(foreign, monkeypatch, languages):
    """The texts are English: a language named after English is not needed."""
    monkeypatch.setenv("LANGUAGE", languages)
    assert say("a class") == (accented("a class") if languages.startswith("eo") else "a class")


def test_a_value_with_braces_comes_through(foreign):
    """Values are no templates, and a value may be called as the parameter is."""
    assert say("{who} asks {whom} for {headline}.", who="{whom}", whom="{}", headline="{0!r}") == accented(
        "{who} asks {whom} for {headline}."
    ).format(who="{whom}", whom="{}", headline="{0!r}")
    assert say("{text}", text="{text}") == "{text}"


# No way past the catalogue


def bypassing(sources):
    """Where one of `sources`, a module's name to its text, gives an English text to a learner without `say`."""
    trees = {name: ast.parse(source) for name, source in sources.items()}
    shown = {"LabError", "Wrong", "print"}
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for _ in classes:  # until nothing is added: a class that is derived from a derived one
        shown |= {node.name for node in classes if any(ast.unparse(base) in shown for base in node.bases)}
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in shown:
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                if any(re.search(r"[A-Za-z]{2}", text) for part in given for text in literals(part)):
                    yield f"{name}:{node.lineno}"
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in build.SAYING:
                texts = node.args[: build.SAYING[ast.unparse(node.func)]]
                if any(not isinstance(text, ast.Constant) and any(literals(text)) for text in texts):
                    yield f"{name}:{node.lineno}"


def literals(node):
    """The texts written out in an expression, those handed to a function or looked up with apart, and quoted code."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub('"[^"]*"', "", node.value)
    elif not isinstance(node, (ast.Call, ast.Subscript, ast.Compare, ast.Lambda, ast.FormattedValue)):
        for child in ast.iter_child_nodes(node):
            yield from literals(child)


def test_no_text_bypasses_the_catalogue():
    """Every text in an error, a verdict or a print of the kit went through `say`."""
    assert (
        list(bypassing({path.name: path.read_text("utf-8") for path in sorted((ROOT / "wslab").rglob("*.py"))})) == []
    )


@pytest.mark.parametrize(
    "statement",
    [
        'raise LabError("no server")',
        'raise RecordingError(f"{name} is not running")',
        'raise NotSolved("no" + name)',
        'raise Wrong(say("a"), saw="nothing" if name else "")',
        "print(f'{name} was written')",
        'raise LabError(say(f"no {name}"))',
        'title = say("no" if name else "one")',
    ],
)
def test_a_text_that_bypasses_the_catalogue_is_found(statement):
    """Literals, f-strings, parts of expressions, keywords, derived exceptions."""
    classes = "class RecordingError(LabError): ...\nclass NotSolved(RecordingError): ...\n"
    assert list(bypassing({"errors.py": classes, "a.py": statement})) == ["a.py:1"]
    assert list(bypassing({"a.py": 'raise LabError(say("no {name}", name=f"x {y}"))\nprint(f"{a}: {b}")'})) == []
