"""The command line: wslab lab · check · hint · reset · doctor."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from . import exercise, state
from .errors import LabError

PRISTINE = Path(__file__).parent / "pristine"
FAILED, UNREADABLE = 1, 3


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except LabError as exc:
        print(exc, file=sys.stderr)
        return FAILED
    except OSError as exc:
        print(
            f"{exc.filename or 'a file'}: {exc.strerror}. Is the folder writable, and the disk not full?",
            file=sys.stderr,
        )
        return FAILED


def lab(options: argparse.Namespace) -> int:
    """Open JupyterLab on the first notebook."""
    notebook = state.ROOT / "notebooks" / "00_start_here.ipynb"
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={state.ROOT}", *options.options]
    return subprocess.call([*command, str(notebook.relative_to(state.ROOT))], cwd=state.ROOT)


def check(options: argparse.Namespace) -> int:
    """Run a saved exercise notebook in a fresh kernel and print its reports."""
    lesson, _, _ = options.what.partition(".")
    path = _notebook("exercises", lesson)
    notebook = _run(path)
    wanted = f"check-{options.what.replace('.', '-')}"
    checks = [cell for cell in notebook.cells if cell.id == wanted or cell.id.startswith(f"{wanted}-")]
    if not checks:
        raise LabError(
            f"{path.name} has no check {options.what}; 'wslab reset {lesson}' brings back the notebook as it was"
        )
    passed = True
    for cell in checks:
        text, good = _report(cell)
        passed = passed and good
        print(text, end="\n\n")
    return 0 if passed else FAILED


def hint(options: argparse.Namespace) -> int:
    """Print the next hint for an exercise."""
    print(exercise.hint(options.exercise))
    return 0


def reset(options: argparse.Namespace) -> int:
    """Restore a notebook as it was; the learner's copy is kept beside it."""
    kind = "lesson" if options.lesson_notebook else "exercise"
    folder = "notebooks" if options.lesson_notebook else "exercises"
    pristine = next(iter(sorted((PRISTINE / kind).glob(f"{int(options.lesson):02d}_*.ipynb"))), None)
    if pristine is None:
        raise LabError(f"there is no {kind} notebook {options.lesson}")
    path = state.ROOT / folder / pristine.name
    text = pristine.read_text(encoding="utf-8")
    if path.exists():
        if path.read_text(encoding="utf-8", errors="replace") == text:
            print(f"{path.name} is as it was already")
            return 0
        backup = path.with_name(f"{path.stem}.backup-{datetime.now():%Y-%m-%d-%H%M%S-%f}.ipynb")
        shutil.copy2(path, backup)
        print(f"your notebook is kept as {folder}/{backup.name}")
    state.replace_file(path, text)
    print(f"{folder}/{path.name} is as it was; in JupyterLab use File, Reload Notebook from Disk")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Look for what could keep the lessons from running, and say what helps."""
    good = True
    for name, probe in PROBES.items():
        try:
            found = probe()
            print(f"ok       {name}: {found}")
        except Exception as exc:  # whatever it is, the doctor names it and goes on
            good = False
            print(f"problem  {name}: {exc}")
    return 0 if good else FAILED


def _python() -> str:
    return sys.version.split()[0]


def _packages() -> str:
    names = ("jupyterlab", "websockets", "nest-asyncio2", "nbval", "matplotlib")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _folder() -> str:
    folder = state.folder()
    return f"what you did is kept in {folder}"


def _echo() -> str:
    from websockets import connect
    from websockets.asyncio.server import ServerConnection

    from .server import serve

    async def echo(ws: ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    async def once() -> str:
        server = await serve(echo)
        try:
            async with connect(server.url) as ws:
                await ws.send("hello")
                return f"{await asyncio.wait_for(ws.recv(), 2)!r} came back over 127.0.0.1"
        finally:
            await server.stop()

    return asyncio.run(once())


def _proxy() -> str:
    proxies = [name for name in ("http_proxy", "https_proxy", "all_proxy") if os.environ.get(name)]
    return f"{', '.join(proxies)} set; 127.0.0.1 goes past it" if proxies else "none set"


PROBES: dict[str, Callable[[], str]] = {
    "Python": _python,
    "packages": _packages,
    "folder": _folder,
    "proxy": _proxy,
    "live echo": _echo,
}


def _notebook(folder: str, lesson: str) -> Path:
    found = sorted((state.ROOT / folder).glob(f"{int(lesson):02d}_*.ipynb")) if lesson.isdigit() else []
    found = [path for path in found if ".backup-" not in path.name]
    if not found:
        raise LabError(
            f"there is no notebook {lesson!r} in {folder}/: give a lesson such as 2, or an exercise such as 2.1"
        )
    return found[0]


def _run(path: Path) -> Any:
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # an optional grammar: 1.4 s at each import
    import nbformat
    from nbclient import NotebookClient

    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        client = NotebookClient(
            notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": str(path.parent)}}
        )
    except Exception as exc:
        print(
            f"{path.name} cannot be read as a notebook ({type(exc).__name__}); the file was not touched",
            file=sys.stderr,
        )
        raise SystemExit(UNREADABLE) from None
    # What the kernel itself says on stderr is about its transport, not about the exercise.
    return client.execute(stderr=subprocess.DEVNULL)


def _report(cell: Any) -> tuple[str, bool]:
    """What a check cell printed, and whether it passed."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output.traceback)), False
        if output.output_type == "execute_result":
            return str(output.data["text/plain"]), True
    return f"{cell.id}: the check printed no report", False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wslab", description="A course on WebSockets, from the command line.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        sub = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        sub.set_defaults(run=run)
        return sub

    command(lab).add_argument("options", nargs=argparse.REMAINDER, help="passed on to JupyterLab")
    command(check).add_argument("what", help="a lesson such as 2, or an exercise such as 2.1")
    command(hint).add_argument("exercise", nargs="?", help="an exercise such as 2.1; the one that failed last without")
    resetting = command(reset)
    resetting.add_argument("lesson", type=int, help="the lesson's number")
    resetting.add_argument("--lesson-notebook", action="store_true", help="the lesson itself instead of its exercises")
    command(doctor)
    return parser


if __name__ == "__main__":
    sys.exit(main())
