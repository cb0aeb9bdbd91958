"""Imports run one way: a module of the kit imports only what stands before it in `LAYERS`."""

import ast
import subprocess
import sys
from pathlib import Path

KIT = Path(__file__).parent.parent / "wslab"

LAYERS = (
    "errors masking origin event trace hops order cause "  # words: what happened, and in which order it is told
    "stream message http decode backplane journal replay "  # bytes read
    "guard watchdog background linked loopback naming hook relay tap sources nested server quiet webapp "  # wires
    "loopwatch looplane "
    "pictures "
    + " ".join(
        f"pictures.{name}"
        for name in (
            "shown theme labels octets work scene layout foreseen narration sheet strokes observed sequence_png "
            "sequence sections sections_png bytesview_png bytesview loopview cards tally network routing grid "
            "boxes_png boxes storeys paths paths_png measures plot charts_png charts"
        ).split()
    )
    + " arrows pictures.laneview recording state prediction feedback values peer collaborators proxies driver hosted "
    + "bench served driven played answer judge remote report catalogue progress exercise __init__ "  # learning
    + " ".join(
        f"engines.{name}"
        for name in (
            "subjects facts binaries supervisor children control progress process work processes caddy nats cluster "
            "clients load stored"
        ).split()
    )
    + " engines "
    + " ".join(
        f"grading.{name}"
        for name in "descendants rebuild desk place silent kernel worker verdict run grade watch command".split()
    )
    + " grading upgrade "
    + " ".join(f"classroom.{name}" for name in "submissions rows misconceptions page single command export".split())
    + " classroom doctor framebench panelrows panel cli"
).split()


PACKAGES = {"__init__", *(name.rpartition(".")[0] for name in LAYERS if "." in name)}


def modules():
    """All modules of the kit by name; a package goes by its own."""
    found = {}
    for path in sorted(KIT.rglob("*.py")):
        name = ".".join(path.relative_to(KIT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def package(module):
    """The package that relative imports in `module` start from."""
    full = "wslab" if module == "__init__" else f"wslab.{module}"
    return full if module in PACKAGES else full.rpartition(".")[0]


def imported(module, source, known):
    """Yield the modules of the kit that `source` imports anywhere, with their lines; `?` where a run would tell."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package(module).rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(filter(None, [start, node.module]))
            names = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            names = ["wslab.?"]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            while rest and rest not in known and rest != "?":
                rest = rest.rpartition(".")[0]  # a name inside a module
            if top == "wslab":
                yield rest or "__init__", node.lineno


def backward(sources):
    """The imports that run back, a line each; `sources` maps modules to their text."""
    found = []
    for module, source in sources.items():
        before = LAYERS[: LAYERS.index(module)] if module in LAYERS else []
        for target, line in imported(module, source, sources):
            if target not in before:
                found.append(f"{module}.py:{line} imports {target}")
    return found


def test_imports_run_one_way():
    """No module imports what stands after it, late imports included."""
    assert backward({name: path.read_text("utf-8") for name, path in modules().items()}) == []


def test_every_module_has_its_layer():
    """A new module is put into the list where its imports allow it."""
    assert set(modules()) == set(LAYERS)


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
    inside = {"errors": "", "pictures": "", "pictures.theme": "", "pictures.sequence": "", "server": "", "cli": ""}
    for text, found in {
        "from .sequence import text": ["pictures.theme.py:1 imports pictures.sequence"],
        "from . import sequence": ["pictures.theme.py:1 imports pictures.sequence"],
        "from .. import cli": ["pictures.theme.py:1 imports cli"],
        "from ..server import serve": [],
    }.items():
        assert backward({**inside, "pictures.theme": text}) == found


def test_import_is_light():
    """`import wslab` loads neither matplotlib nor IPython: they come with the first picture."""
    probe = "import sys, wslab; print(*sorted({'matplotlib', 'IPython'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=KIT.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
