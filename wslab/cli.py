"""The command line: wslab lab · check · hint · progress · checkpoint · reset · upgrade · export · grade · doctor."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from . import exercise, progress, state
from .errors import LabError, say

PRISTINE = Path(__file__).parent / "pristine"
FAILED, UNREADABLE = 1, 3
QUESTIONS = "questions"
QUESTIONNAIRE = ("checkpoint", "checkpoint", "questions.ipynb")


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


def checkpoint(options: argparse.Namespace) -> int:
    """Judge the answers to the twenty questions, and the capstone."""
    sys.path.append(str(state.ROOT))
    try:
        from checkpoint.runner.command import checkpoint as judge
    except ModuleNotFoundError as exc:
        text = say("the checkpoint is not here ({error}): work in a checkout of the kit", error=exc)
        raise LabError(text) from None
    return judge(options)


def grade(options: argparse.Namespace) -> int:
    """Grade what a class handed in."""
    from .classroom import command

    return command.grade(options)


def export(options: argparse.Namespace) -> int:
    """Pack a learner's exercise notebooks."""
    from .classroom.export import export as pack

    return pack(options)


def hint(options: argparse.Namespace) -> int:
    """Print the next hint for an exercise."""
    print(exercise.hint(options.exercise))
    return 0


def show_progress(options: argparse.Namespace) -> int:
    """Print what was tried and passed, and the hints used."""
    print(progress.table())
    return 0


def reset(options: argparse.Namespace) -> int:
    """Restore a notebook as it was; the learner's copy is kept beside it."""
    for pristine, path in _notebooks(options):
        text = pristine.read_text(encoding="utf-8")
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") == text:
            print(say("{file} is as it was already", file=path.name))
            continue
        _replace(path, text)
        print(say("{file} is as it was; in JupyterLab use File, Reload Notebook from Disk", file=_shown(path)))
    return 0


def upgrade(options: argparse.Namespace) -> int:
    """Carry the learner's work into the notebooks of this kit; the learner's copies are kept beside them."""
    from .grading.rebuild import Unreadable, read
    from .upgrade import merged

    status = 0
    for pristine, path in _notebooks(options):
        if not path.exists():
            _replace(path, pristine.read_text(encoding="utf-8"))
            print(say("{file} is new", file=_shown(path)))
            continue
        try:
            learner = read(path)
        except Unreadable as exc:
            print(exc, file=sys.stderr)
            status = UNREADABLE
            continue
        new = merged(read(pristine), learner)
        if new.says(learner):
            print(say("{file} is of this kit already", file=_shown(path)))
            continue
        _replace(path, new.text)
        print(
            say(
                "{file} is of this kit now; of your cells {carried} are in their places, {kept} kept at its end",
                file=_shown(path),
                carried=new.carried,
                kept=new.kept,
            )
        )
    return status


def _notebooks(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    """The pristine notebooks that are meant, and where the learner's are."""
    kind, folder = ("lesson", "notebooks") if options.lesson_notebook else ("exercise", "exercises")
    name = "*.ipynb" if options.lesson is None else f"{options.lesson:0>2}_*.ipynb"
    places = [(kind, folder, name)]
    if options.lesson == QUESTIONS:
        places = [QUESTIONNAIRE]
    elif options.lesson is None and not options.lesson_notebook and (state.ROOT / "checkpoint").is_dir():
        places.append(QUESTIONNAIRE)
    found = [
        (path, state.ROOT / folder / path.name)
        for kind, folder, name in places
        for path in sorted((PRISTINE / kind).glob(name))
    ]
    if not found:
        if options.lesson_notebook:
            raise LabError(say("there is no lesson notebook {lesson}", lesson=options.lesson))
        raise LabError(say("there is no exercise notebook {lesson}", lesson=options.lesson))
    return found


def _which(text: str) -> str:
    """A lesson's number, or the checkpoint's questions."""
    return text if text == QUESTIONS else str(int(text))


def _replace(path: Path, text: str) -> None:
    """Replace a notebook; what is there is kept beside it."""
    if path.exists():
        print(say("your notebook is kept as {file}", file=_shown(state.back_up(path))))
    state.replace_file(path, text)


def _shown(path: Path) -> str:
    return path.relative_to(state.ROOT).as_posix()


def doctor(options: argparse.Namespace) -> int:
    """Look for what could keep the lessons from running, and say what helps."""
    from .doctor import examine

    return 0 if examine() else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wslab", description=say("A course on WebSockets, from the command line."))
    commands = parser.add_subparsers(required=True, metavar=say("COMMAND"))

    def command(run: Callable[[argparse.Namespace], int], does: str, name: str = "") -> argparse.ArgumentParser:
        sub = commands.add_parser(name or run.__name__, help=does, description=does)
        sub.set_defaults(run=run)
        return sub

    opening = command(lab, say("Open JupyterLab on the first notebook."))
    opening.add_argument("options", nargs=argparse.REMAINDER, help=say("passed on to JupyterLab"))
    checking = command(check, say("Grade saved exercise notebooks in a fresh kernel and print the reports."))
    checking.add_argument(
        "what", nargs="?", default="", help=say("a lesson such as 2, or an exercise such as 2.1; all without")
    )
    checking.add_argument("--json", action="store_true", help=say("print the verdicts as JSON"))
    checking.add_argument("--watch", action="store_true", help=say("grade each time that a notebook is saved"))
    hinting = command(hint, say("Print the next hint for an exercise."))
    hinting.add_argument("exercise", nargs="?", help=say("an exercise such as 2.1; the one that failed last without"))
    command(show_progress, say("Print which exercises were tried and passed, and the hints used."), "progress")
    resetting = command(reset, say("Restore a notebook as it was; the learner's copy is kept beside it."))
    resetting.add_argument("lesson", type=_which, help=say("the lesson's number, or: questions"))
    upgrading = command(
        upgrade, say("Carry your work into the notebooks of this kit; your copies are kept beside them.")
    )
    upgrading.add_argument(
        "lesson", type=_which, nargs="?", help=say("the lesson's number, or: questions; all without")
    )
    for sub in (resetting, upgrading):
        sub.add_argument(
            "--lesson-notebook", action="store_true", help=say("the lesson itself instead of its exercises")
        )
    exporting = command(export, say("Pack your exercise notebooks into one zip, to hand in."))
    exporting.add_argument("--name", default="", help=say("your name; that of your account without"))
    exporting.add_argument(
        "--to", default="", metavar="ZIP", help=say("the file; wslab-NAME.zip in this folder without")
    )
    exporting.add_argument("--state", action="store_true", help=say("pack predictions, progress and your seed, too"))
    passing = command(checkpoint, say("Judge your answers to the twenty questions, and your capstone."))
    passing.add_argument(
        "items", nargs="*", metavar="ITEM", help=say("a question or test such as Q7 or T2; all without")
    )
    passing.add_argument("--questions", action="store_true", help=say("the twenty questions"))
    passing.add_argument("--capstone", action="store_true", help=say("the capstone's tests"))
    passing.add_argument("--milestone", type=int, metavar="N", help=say("the tests of one milestone of the capstone"))
    passing.add_argument("--start", action="store_true", help=say("put the capstone's starter where you work on it"))
    passing.add_argument("--seed", type=int, metavar="N", help=say("of the capstone's scenarios; a new one without"))
    passing.add_argument("--json", action="store_true", help=say("print the verdicts as JSON"))
    passing.add_argument("--junit", default="", metavar="FILE", help=say("write the verdicts here as JUnit XML"))
    passing.add_argument("--html", default="", metavar="FILE", help=say("write a report with the recordings here"))
    grading = command(grade, say("Grade the exercise notebooks of a class."))
    grading.add_argument("folder", help=say("what was handed in: LEARNER/NN_name.ipynb, LEARNER_NN_name.ipynb, zips"))
    processors = os.cpu_count() or 1  # each notebook keeps two processes busy
    grading.add_argument(
        "--jobs", type=int, default=max(1, processors // 2), metavar="N", help=say("notebooks at a time")
    )
    grading.add_argument("--csv", default="", metavar="FILE", help=say("write a line for each exercise here"))
    grading.add_argument("--html", default="", metavar="FILE", help=say("write a report to read here"))
    grading.add_argument("--dask", default="", metavar="ADDRESS", help=say("grade on this Dask cluster"))
    command(doctor, say("Look for what could keep the lessons from running, and say what helps."))
    return parser


if __name__ == "__main__":
    sys.exit(main())
