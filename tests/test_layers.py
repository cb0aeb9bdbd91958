"""Imports run one way: a module of the kit imports only what stands before it in `LAYERS`."""

import ast
import subprocess
import sys
from pathlib import Path

KIT = Path(__file__).parent.parent / "wslab"

LAYERS = (
    "errors masking trace order work cause decode "  # words: what happened, and in which order it is told
    "watchdog background linked relay tap sources nested server quiet "  # wires
    "theme labels octets scene layout narration sheet strokes observed sequence_png sequence "  # pictures
    "bytesview_png bytesview loopwatch loopview "
    "recording state cards prediction answer judge exercise __init__ cli"  # learning
).split()


def imported(source):
    """Yield the modules of the kit that `source` imports anywhere, with their lines; `?` where a run would tell."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, ["wslab" if node.level else "", node.module]))
            names = [f"wslab.{alias.name}" if base == "wslab" else base for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            names = ["wslab.?"]
        else:
            continue
        for name in names:
            package, _, module = name.partition(".")
            if package == "wslab":
                yield module.partition(".")[0] or "__init__", node.lineno


def backward(sources):
    """The imports that run back, a line each; `sources` maps modules to their text."""
    found = []
    for module, source in sources.items():
        before = LAYERS[: LAYERS.index(module)] if module in LAYERS else []
        for target, line in imported(source):
            if target not in sources and target != "?":
                target = "__init__"  # a name of the package, not a module
            if target not in before:
                found.append(f"{module}.py:{line} imports {target}")
    return found


def test_imports_run_one_way():
    """No module imports what stands after it, late imports included."""
    sources = {path.stem: path.read_text("utf-8") for path in sorted(KIT.glob("*.py"))}
    assert backward(sources) == []


def test_every_module_has_its_layer():
    """A new module is put into the list where its imports allow it."""
    assert {path.stem for path in KIT.glob("*.py")} - set(LAYERS) == set()


def test_arrows_that_run_back_are_found():
    """Every way to write an import is seen: late, absolute, through the package, by name at run time."""
    sources = {
        "errors": "",
        "__init__": "",
        "cli": "",
        "trace": "def late():\n    from .server import serve",
        "server": "",
    }
    assert backward(sources) == ["trace.py:2 imports server"]
    for text, target in {
        "import wslab.cli": "cli",
        "from wslab.cli import main": "cli",
        "from . import cli": "cli",
        "from wslab import serve": "__init__",
        "import importlib\nimportlib.import_module('.cli', 'wslab')": "?",
    }.items():
        assert [line.split(" imports ")[1] for line in backward({**sources, "trace": text})] == [target]
    assert backward({**sources, "trace": "import json\nfrom . import errors\nfrom .errors import LabError"}) == []


def test_import_is_light():
    """`import wslab` loads neither matplotlib nor IPython: they come with the first picture."""
    probe = "import sys, wslab; print(*sorted({'matplotlib', 'IPython'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=KIT.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
