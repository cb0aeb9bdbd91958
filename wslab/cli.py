"""The command line: wslab lab · check · hint · reset · doctor."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from importlib import metadata
from pathlib import Path

from . import exercise, state
from .errors import LabError, later, say

PRISTINE = Path(__file__).parent / "pristine"
FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except LabError as exc:
        print(exc, file=sys.stderr)
        return FAILED
    except OSError as exc:
        text = say(
            "{file}: {reason}. Is the folder writable, and the disk not full?",
            file=exc.filename or say("a file"),
            reason=exc.strerror,
        )
        print(text, file=sys.stderr)
        return FAILED


def lab(options: argparse.Namespace) -> int:
    """Open JupyterLab on the first notebook."""
    notebook = state.ROOT / "notebooks" / "00_start_here.ipynb"
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={state.ROOT}", *options.options]
    return subprocess.call([*command, str(notebook.relative_to(state.ROOT))], cwd=state.ROOT)


def check(options: argparse.Namespace) -> int:
    """Grade saved exercise notebooks and print the reports."""
    from .grading.command import check as grade  # what it imports nobody else needs

    return grade(options)


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
        if options.lesson_notebook:
            raise LabError(say("there is no lesson notebook {lesson}", lesson=options.lesson))
        raise LabError(say("there is no exercise notebook {lesson}", lesson=options.lesson))
    path = state.ROOT / folder / pristine.name
    text = pristine.read_text(encoding="utf-8")
    if path.exists():
        if path.read_text(encoding="utf-8", errors="replace") == text:
            print(say("{file} is as it was already", file=path.name))
            return 0
        backup = path.with_name(f"{path.stem}.backup-{datetime.now():%Y-%m-%d-%H%M%S-%f}.ipynb")
        shutil.copy2(path, backup)
        print(say("your notebook is kept as {file}", file=f"{folder}/{backup.name}"))
    state.replace_file(path, text)
    done = say("{file} is as it was; in JupyterLab use File, Reload Notebook from Disk", file=f"{folder}/{path.name}")
    print(done)
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Look for what could keep the lessons from running, and say what helps."""
    good = True
    ok, problem = say("ok"), say("problem")
    column = max(len(ok), len(problem)) + 2
    for name, probe in PROBES.items():
        try:
            found = probe()
            print(f"{ok:<{column}}{say(name)}: {found}")
        except Exception as exc:  # whatever it is, the doctor names it and goes on
            good = False
            print(f"{problem:<{column}}{say(name)}: {exc}")
    return 0 if good else FAILED


def _python() -> str:
    return sys.version.split()[0]


def _packages() -> str:
    names = ("jupyterlab", "websockets", "nest-asyncio2", "nbval", "matplotlib")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _folder() -> str:
    folder = state.folder()
    return say("what you did is kept in {folder}", folder=folder)


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
                return say("{message!r} came back over 127.0.0.1", message=await asyncio.wait_for(ws.recv(), 2))
        finally:
            await server.stop()

    return asyncio.run(once())


def _proxy() -> str:
    proxies = [name for name in ("http_proxy", "https_proxy", "all_proxy") if os.environ.get(name)]
    return say("{names} set; 127.0.0.1 goes past it", names=", ".join(proxies)) if proxies else say("none set")


PROBES: dict[str, Callable[[], str]] = {
    later("Python"): _python,
    later("packages"): _packages,
    later("folder"): _folder,
    later("proxy"): _proxy,
    later("live echo"): _echo,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wslab", description=say("A course on WebSockets, from the command line."))
    commands = parser.add_subparsers(required=True, metavar=say("COMMAND"))

    def command(run: Callable[[argparse.Namespace], int], does: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(run.__name__, help=does, description=does)
        sub.set_defaults(run=run)
        return sub

    opening = command(lab, say("Open JupyterLab on the first notebook."))
    opening.add_argument("options", nargs=argparse.REMAINDER, help=say("passed on to JupyterLab"))
    checking = command(check, say("Grade saved exercise notebooks in a fresh kernel and print the reports."))
    checking.add_argument(
        "what", nargs="?", default="", help=say("a lesson such as 2, or an exercise such as 2.1; all without")
    )
    checking.add_argument("--json", action="store_true", help=say("print the verdicts as JSON"))
    hinting = command(hint, say("Print the next hint for an exercise."))
    hinting.add_argument("exercise", nargs="?", help=say("an exercise such as 2.1; the one that failed last without"))
    resetting = command(reset, say("Restore a notebook as it was; the learner's copy is kept beside it."))
    resetting.add_argument("lesson", type=int, help=say("the lesson's number"))
    resetting.add_argument(
        "--lesson-notebook", action="store_true", help=say("the lesson itself instead of its exercises")
    )
    command(doctor, say("Look for what could keep the lessons from running, and say what helps."))
    return parser


if __name__ == "__main__":
    sys.exit(main())
