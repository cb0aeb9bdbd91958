"""Set the kit up and start it, with nothing but Python: ``python3 start.py``.

    python3 start.py [options of JupyterLab]      open the first lesson
    python3 start.py test [options of pytest]     run the whole test suite
    python3 start.py build                        build the notebooks from their sources

The packages go into ``.venv`` beside this file, or into the folder that ``--venv DIR`` or the variable ``WSLAB_VENV``
names (for a checkout that cannot be written to). They are installed again only when the lists of packages changed.

This file's rules: the standard library only; Python 3.8 can still read it, in order to say that it is too old.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.path.abspath(__file__)).parent
FIRST_LESSON = "notebooks/00_start_here.ipynb"
LESSONS, TESTS = "requirements.txt", "requirements-test.txt"  # the second list includes the first
UV = "uv~=0.13"  # installs everything in 5 s where pip needs 40; done without where it cannot be had
STAMP = "wslab-installed.txt"

# command: what it needs, what it runs
COMMANDS = {
    "lab": (
        LESSONS,
        ["-m", "jupyterlab", "--ServerApp.root_dir=" + str(ROOT), "--LabApp.default_url=/lab/tree/" + FIRST_LESSON],
    ),
    "test": (TESTS, ["-m", "pytest"]),
    "build": (TESTS, ["notebooks/build.py"]),
}


class Stop(Exception):
    """What happened and what to do, in one line."""


def main(arguments: list[str]) -> None:
    """Do what the command line says; does not return."""
    check_python()
    parser = argparse.ArgumentParser(
        prog="start.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--venv", metavar="DIR", default=os.environ.get("WSLAB_VENV") or ROOT / ".venv")
    known, options = parser.parse_known_args(arguments)
    command = options.pop(0) if options and options[0] in COMMANDS else "lab"
    venv = Path(os.path.abspath(known.venv))  # before the folder is changed

    needs, program = COMMANDS[command]
    os.chdir(ROOT)
    make_environment(venv)
    install(venv, needs)
    hand_over([str(python_of(venv)), *program, *options], variables(venv))


def check_python() -> None:
    """Stop where this Python is too old or cannot make environments."""
    if sys.version_info < (3, 11):
        raise Stop(
            "Python 3.11 or newer is needed, this is {}.{}.{}: install one (Debian, Ubuntu: sudo apt install python3 "
            "python3-venv; macOS: brew install python; Windows: winget install Python.Python.3.13) and start this file "
            "with it".format(*sys.version_info)
        )
    try:
        import ensurepip  # noqa: F401  (Debian ships it in a package of its own)
        import venv  # noqa: F401
    except ImportError:
        raise Stop(
            "Python's module venv is not complete: install it (Debian, Ubuntu: sudo apt install python3-venv), "
            "then start this file again"
        ) from None


def python_of(venv: Path) -> Path:
    """Where an environment keeps its Python."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def make_environment(folder: Path) -> None:
    """Make the environment unless it is there and whole; one that was left half made is made anew."""
    import venv

    if (folder / STAMP).exists() and python_of(folder).exists():
        return
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise Stop(f"{folder} holds other files: name an empty or a new folder with --venv DIR")
    if python_of(folder).exists() and call(folder, "-c", "import pip", quiet=True) == 0:
        return
    say(f"Making an environment in {folder}")
    venv.EnvBuilder(with_pip=True, clear=folder.exists(), symlinks=os.name != "nt").create(folder)


def install(venv: Path, needs: str) -> None:
    """Install the packages of the list `needs` unless these very lists were installed before."""
    stamp = venv / STAMP
    current = fingerprint()
    if stamp.exists() and stamp.read_text("utf-8") in {f"{TESTS} {current}", f"{needs} {current}"}:
        return
    stamp.unlink(missing_ok=True)  # an interrupted installation leaves none, and is repeated
    say("Installing packages (a minute at most; again only when their list changes)")
    has_uv = call(venv, "-m", "pip", "install", "--no-input", UV, quiet=True) == 0
    arguments = ["install", "--quiet", "-r", needs]
    done = has_uv and call(venv, "-m", "uv", "pip", *arguments, "--python", str(python_of(venv)), quiet=True) == 0
    if not done and call(venv, "-m", "pip", *arguments, "--no-input", "--disable-pip-version-check") != 0:
        raise Stop("the packages could not be installed, for the reason above: once it is gone, start again")
    draft = stamp.with_suffix(".new")
    draft.write_text(f"{needs} {current}", "utf-8")
    draft.replace(stamp)


def fingerprint() -> str:
    """A digest of everything that decides what is installed, and of the place that the project is imported from."""
    digest = hashlib.sha256(str(ROOT).encode("utf-8", "surrogateescape"))
    for name in (LESSONS, TESTS, "pyproject.toml"):
        digest.update(b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()


def variables(venv: Path) -> dict[str, str]:
    """The process environment of what is run: this virtual environment first, loopback never through a proxy."""
    result = dict(os.environ)
    for name in ("PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"):  # each leads out of the environment
        result.pop(name, None)
    result["VIRTUAL_ENV"] = str(venv)
    result["PATH"] = os.pathsep.join([str(python_of(venv).parent), result.get("PATH", os.defpath)])
    for name in ("no_proxy", "NO_PROXY"):
        if result.get(name) != "*":
            result[name] = ",".join(filter(None, [result.get(name), "127.0.0.1,localhost"]))
    return result


def call(venv: Path, *arguments: str, quiet: bool = False) -> int:
    """Run the environment's Python; the exit status."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(
        [str(python_of(venv)), *arguments],
        env=variables(venv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        check=False,
    ).returncode


def hand_over(command: list[str], environment: dict[str, str]) -> None:
    """Become `command`, so that its signals and its exit status are ours."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(command[0], command, environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the child too: it decides
    sys.exit(subprocess.call(command, env=environment))


def say(text: str) -> None:
    """Tell on standard error, which can write any path on any console."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Stop as stop:
        sys.exit(f"start.py: {stop}")
    except OSError as error:
        sys.exit(f"start.py: {error}: make room there and allow writing, or name another folder with --venv DIR")
    except KeyboardInterrupt:
        sys.exit(130)
