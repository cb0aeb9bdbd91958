"""Build every notebook from its source: python notebooks/build.py [NAME ...]

Lessons (`notebooks/source/*.py`) are executed and stored with their outputs. Exercises (`exercises/solutions/*.py`)
lose what stands between BEGIN SOLUTION and END SOLUTION and are stored unrun, as the checkpoint's questions are
(`checkpoint/source/*.py`): they hold each learner's own values. Pristine copies go to
`wslab/pristine/`. A notebook in which only PNG bytes would change is left untouched. The name `texts` stands for
`wslab/locale/wslab.pot`, which lists the texts of the kit for translators, `index` for `exercises/README.md`.
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import io
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # an optional grammar of jsonschema: 1.4 s at each import

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "notebooks" / "source"
SOLUTIONS = ROOT / "exercises" / "solutions"
CHECKPOINT = ROOT / "checkpoint" / "source"
PRISTINE = ROOT / "wslab" / "pristine"
TEXTS = ROOT / "wslab" / "locale" / "wslab.pot"
INDEX = ROOT / "exercises" / "README.md"
STARTS = 3  # of a kernel
README_LESSON = "02_request_response"
README_PICTURE = ROOT / "notebooks" / "recordings" / "readme.png"
TEXTS_HEAD = r"""# The texts of the kit that a learner meets. Made by notebooks/build.py; see CONTRIBUTING.md.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""
INDEX_HEAD = """<!-- Made by notebooks/build.py from exercises.toml: do not edit. -->
# Exercises

{all} exercises, one notebook for each lesson. Change the cell with the function, run it, run the cell with `check`
below it. `hint("2.1")` helps in three steps; `wslab check 2` grades what you saved.

● is the core path to the checkpoint: {core} exercises, about {minutes} minutes. The others go further.
★ recognise, ★★ complete or repair, ★★★ build.

| | exercise | lesson | the idea that it trains | minutes | |
|---|---|---|---|---|---|
"""
SAYING = {"say": 1, "later": 1, "say_many": 2}  # functions of wslab.errors, and how many texts each is given
SEED = "1"
CELL_LIMIT_S = 60

Notebook = Any


def lesson(
    source: Path,
    predictions: dict[str, dict[str, Any]] | None = None,
    env: dict[str, str] | None = None,
    *,
    recordings: Path | None = None,
) -> Notebook:
    """Execute the lesson in `source` with the builder's seed and a state of its own; returns the notebook.

    Args:
        predictions: Values to put in the place of `...`, by prediction id and name.
        env: More environment variables for the kernel, such as WSLAB_SHAKE.
        recordings: Where to save what the lesson shows stored where an engine is missing (`NAME = stored("...")`).
    """
    notebook = _read(source)
    for cell in notebook.cells:
        for key, values in (predictions or {}).items():
            if f'predict("{key}"' in cell.source or f'predict(\n    "{key}"' in cell.source:
                for name, value in values.items():
                    cell.source = re.sub(rf"\b{name}=\.\.\.", f"{name}={value!r}", cell.source)
    with tempfile.TemporaryDirectory() as state:
        environment = os.environ | {"WSLAB_STATE": state, "WSLAB_SEED": SEED, "PYTHONPATH": str(ROOT), "LANGUAGE": "en"}
        environment |= env or {}
        client = NotebookClient(
            notebook,
            timeout=CELL_LIMIT_S,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(source.parent.parent)}},
        )
        if recordings is not None:
            client.on_cell_start = _saver(client, recordings)
        for start in range(STARTS):
            try:
                client.execute(env=environment)
                break
            except (AssertionError, RuntimeError):  # a kernel that died before its first cell: its ports were taken
                if client.code_cells_executed or start == STARTS - 1:
                    raise
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
    notebook.metadata.pop("language_info", None)
    return notebook


_STORED = re.compile(r'^ *(\w+) = (?:.* else )?stored\("(\w+)"\)$', re.M)
_SAVE = """
def _save(pairs):  # the lesson's own names stay as they are
    import os, wslab.trace
    for recording, path in pairs:
        seen = wslab.trace.Trace(event for event in recording.trace if not event.keepalive)  # what pictures show
        seen.takes = recording.trace.takes
        made = type(recording)(seen)
        if not os.path.exists(path) or wslab.load(path).text() != made.text():
            made.save(path)
_save({pairs})
del _save
"""


def _saver(client: NotebookClient, folder: Path) -> Callable[..., Awaitable[None]]:
    """Save the recordings that the lesson can show stored, before its last cell, where their text has changed."""
    named = [pair for cell in client.nb.cells for pair in _STORED.findall(cell.source)]
    pairs = ", ".join(f"({name}, {str(folder / stored)!r} + '.jsonl')" for name, stored in named)

    async def save(cell: Notebook, cell_index: int) -> None:
        if named and cell is client.nb.cells[-1]:
            reply = await client.kc.execute(
                _SAVE.format(pairs=f"[{pairs}]"), silent=True, reply=True, timeout=CELL_LIMIT_S
            )
            assert reply["content"]["status"] == "ok", reply["content"]

    return save


def exercise(source: Path, *, solved: bool = False) -> Notebook:
    """Derive the learner's notebook from the solutions in `source`; with `solved` the answers stay in."""
    notebook = _read(source)
    for cell in notebook.cells:
        cell.source = _solution(cell.source) if solved else _stub(cell.source)
    return notebook


def answers(source: Path) -> dict[str, str]:
    """The reference answers in `source`, by exercise."""
    cells = exercise(source, solved=True).cells
    return {_number(cell.id): cell.source for cell in cells if cell.id.startswith("answer-")}


def _number(cell_id: str) -> str:
    return ".".join(cell_id.split("-")[1:3])


def _read(source: Path) -> Notebook:
    text = source.read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        wanted = dict(cell.metadata)
        cell.metadata = nbformat.from_dict({})
        if number := wanted.get("answer"):
            cell.id = f"answer-{str(number).replace('.', '-')}"
            cell.metadata["deletable"] = False
        elif number := wanted.get("check"):
            cell.id = f"check-{str(number).replace('.', '-')}"
            cell.metadata |= {"deletable": False, "editable": False}
        else:
            digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
            seen[digest] = seen.get(digest, 0) + 1
            cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return notebook


_SOLUTION = re.compile(r"^( *)# BEGIN SOLUTION\n(.*?)^ *# END SOLUTION\n?", re.M | re.S)
_STUB = re.compile(r"^( *)# BEGIN STUB\n(.*?)^ *# END STUB\n?", re.M | re.S)


def _solution(source: str) -> str:
    source = _STUB.sub("", source)
    return _SOLUTION.sub(lambda match: match[2], source).rstrip("\n")


def _stub(source: str) -> str:
    given = _STUB.search(source)
    if given:
        source = _SOLUTION.sub("", source)
        return _STUB.sub(lambda match: re.sub(r"(?m)^( *)# ?", r"\1", match[2]), source).rstrip("\n")
    return _SOLUTION.sub(lambda match: f"{match[1]}...\n", source).rstrip("\n")


def without_png(notebook: Notebook) -> str:
    """The notebook as text with its PNG bytes left out: what two builds have in common."""
    text = nbformat.writes(notebook)
    return re.sub(r'("image/png": )"[^"]*"', r"\1null", text)


def store(notebook: Notebook, path: Path) -> bool:
    """Write `notebook` unless nothing but PNG bytes would change; returns whether it was written."""
    if path.exists() and without_png(nbformat.read(path, as_version=4)) == without_png(notebook):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return True


def main(names: list[str]) -> None:
    """Build the notebooks whose file name begins with one of `names`, or everything."""
    chosen = tuple(names) or ("",)
    if "texts".startswith(chosen):
        current = texts()
        written = not TEXTS.exists() or TEXTS.read_text("utf-8") != current
        if written:
            TEXTS.write_text(current, "utf-8", newline="\n")
        _report(written, TEXTS)
    if "index".startswith(chosen):
        page = index()
        written = not INDEX.exists() or INDEX.read_text("utf-8") != page
        if written:
            INDEX.write_text(page, "utf-8", newline="\n")
        _report(written, INDEX)
    for source in sorted(LESSONS.glob("*.py")):
        if source.stem.startswith(chosen):
            notebook = lesson(source, recordings=README_PICTURE.parent)
            written = store_both(notebook, ROOT / "notebooks" / f"{source.stem}.ipynb", "lesson")
            if source.stem == README_LESSON and (written or not README_PICTURE.exists()):
                store_picture(notebook)
            _report(written, source)
    for source in sorted(SOLUTIONS.glob("*.py")):
        if source.stem.startswith(chosen):
            _report(store_both(exercise(source), ROOT / "exercises" / f"{source.stem}.ipynb", "exercise"), source)
    for source in sorted(CHECKPOINT.glob("*.py")):
        if source.stem.startswith(chosen):
            _report(store_both(exercise(source), ROOT / "checkpoint" / f"{source.stem}.ipynb", "checkpoint"), source)


def texts() -> str:
    """Every text of the kit that a learner meets, as gettext's template for translators; no date, no line numbers."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    found = Catalog()
    for path in sorted([*(ROOT / "wslab").rglob("*.py"), *(ROOT / "checkpoint" / "runner").glob("*.py")]):
        for line, text in said(path.read_text("utf-8")):
            found.add(text, locations=[(path.relative_to(ROOT).as_posix(), line)])
    out = io.BytesIO()
    write_po(out, found, width=120, omit_header=True, sort_by_file=True, include_lineno=False)
    return TEXTS_HEAD + out.getvalue().decode("utf-8")


def index() -> str:
    """All exercises on a page, from `exercises.toml`: which lesson each belongs to, and the idea that it trains."""
    entries = tomllib.loads((ROOT / "exercises" / "exercises.toml").read_text("utf-8"))
    core = [entry["minutes"] for entry in entries.values() if entry["core"]]
    rows = [
        f"| {'●' if entry['core'] else ''} | [**{number}** {entry['title']}]({entry['lesson']}.ipynb) "
        f"| [{int(entry['lesson'][:2])}](../notebooks/{entry['lesson']}.ipynb) | {entry['idea']} "
        f"| {entry['minutes']} | {'★' * entry['difficulty']} |\n"
        for number, entry in entries.items()
    ]
    return INDEX_HEAD.format(all=len(entries), core=len(core), minutes=sum(core)) + "".join(rows)


def said(source: str) -> list[tuple[int, str | tuple[str, ...]]]:
    """The texts that a module says, with their lines; of one that counts both forms."""
    found = []
    for node in ast.walk(ast.parse(source)):  # Babel's own extraction does not look into f-strings
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING:
            texts = [part.value for part in node.args[: SAYING[node.func.id]] if isinstance(part, ast.Constant)]
            if texts:
                found.append((node.lineno, texts[0] if len(texts) == 1 else tuple(texts)))
    return sorted(found, key=lambda item: item[0])


def store_both(notebook: Notebook, path: Path, kind: str) -> bool:
    """Store a notebook and its pristine copy."""
    written = store(notebook, path)
    copy = PRISTINE / kind / path.name
    if written or not copy.exists() or copy.read_bytes() != path.read_bytes():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return written


def store_picture(notebook: Notebook) -> None:
    """Store the first picture that a cell of `notebook` shows without a prediction: the README shows it."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    shown = (o for o in outputs if "image/png" in o.get("data", {}) and "covered" not in o.data["text/plain"])
    README_PICTURE.parent.mkdir(parents=True, exist_ok=True)
    README_PICTURE.write_bytes(base64.b64decode(next(shown).data["image/png"]))


def _report(written: bool, source: Path) -> None:
    print(f"{source.relative_to(ROOT)}: {'written' if written else 'unchanged'}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", help="the beginning of a file name, such as 02, or texts; everything without"
    )
    main(parser.parse_args().names)
