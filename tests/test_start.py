"""start.py sets up, starts and tests the kit on a machine that has nothing but Python."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

import pytest

import start

ROOT = Path(__file__).parent.parent
PLACE = "päth with späces 你"
OLD_PYTHONS = [
    next(map(str, Path.home().glob(f".pyenv/versions/{old}.*/bin/python")), None) or shutil.which(f"python{old}")
    for old in ("3.8", "3.9", "3.10")
]
REPORT = """
import json, os, signal, sys
def interrupted(*_):
    print("interrupted", flush=True)
    sys.exit(4)
signal.signal(signal.SIGINT, interrupted)
names = "VIRTUAL_ENV", "PATH", "no_proxy"
print(json.dumps([sys.prefix, sys.argv, os.getcwd(), {name: os.environ[name] for name in names}]), flush=True)
if "--wait" in sys.argv:
    signal.pause()
sys.exit(7)
"""


def run(folder, *arguments, python=sys.executable, **variables):
    """Run start.py as a person would, with no package index in reach."""
    return subprocess.run(
        [python, str(folder / "start.py"), *arguments],
        env={**os.environ, "PIP_NO_INDEX": "1", "WSLAB_VENV": "", **variables},
        cwd=folder.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout at an unusual place that needs no packages; `build` reports how it was run and ends with status 7."""
    folder = tmp_path_factory.mktemp("start") / PLACE
    (folder / "notebooks").mkdir(parents=True)
    for name in ("start.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in (start.LESSONS, start.TESTS):
        (folder / name).write_text("# nothing\n", "utf-8")
    (folder / "notebooks" / "build.py").write_text(REPORT, "utf-8")
    return folder


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """An environment folder, and what start.py runs in it, without running it."""
    made = []
    monkeypatch.setattr(start, "call", lambda folder, *arguments, quiet=False: made.append(arguments) or 0)
    return made


@pytest.mark.parametrize("python", OLD_PYTHONS)
def test_old_python(python):
    """A Python that is too old is told so in one line, with what to install."""
    if python is None:
        pytest.skip("this older Python is not on this machine")
    done = run(ROOT, python=python)
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert done.returncode == 1
    assert done.stderr == (
        f"start.py: Python 3.11 or newer is needed, this is {version}: install one (Debian, Ubuntu: sudo apt install "
        "python3 python3-venv; macOS: brew install python; Windows: winget install Python.Python.3.13) and start this "
        "file with it\n"
    )


def test_venv_missing(tmp_path):
    """Where the system keeps ensurepip in a package of its own, one line names it."""
    (tmp_path / "ensurepip.py").write_text("raise ImportError", "utf-8")
    done = run(ROOT, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        "start.py: Python's module venv is not complete: install it (Debian, Ubuntu: sudo apt install python3-venv), "
        "then start this file again\n"
    )


def test_first_and_second_start(checkout):
    """The first start makes the environment and installs, the second does neither; a changed list is installed."""
    environment = checkout / ".venv"
    first = run(checkout, "build", "--fast", "two words", "ünï", http_proxy="http://127.0.0.1:9")
    prefix, arguments, folder, variables = json.loads(first.stdout)
    assert (Path(prefix), Path(folder)) == (environment, checkout)
    assert arguments == ["notebooks/build.py", "--fast", "two words", "ünï"]
    assert variables["VIRTUAL_ENV"] == str(environment)
    assert variables["PATH"].startswith(str(start.python_of(environment).parent) + os.pathsep)
    assert variables["no_proxy"].endswith("127.0.0.1,localhost")
    assert first.returncode == 7
    assert first.stderr.splitlines()[0] == f"Making an environment in {environment}"
    assert "Installing packages" in first.stderr

    second = run(checkout, "build")
    assert (second.returncode, second.stderr) == (7, "")

    (checkout / start.TESTS).write_text("# changed\n", "utf-8")
    changed = run(checkout, "build")
    assert changed.stderr.startswith("Installing packages")
    assert changed.returncode == 7

    (checkout / start.TESTS).write_text("no-such-package\n", "utf-8")
    for _ in range(2):  # it failed, so it is tried again
        failed = run(checkout, "build")
        assert failed.returncode == 1
        assert failed.stderr.splitlines()[-1] == (
            "start.py: the packages could not be installed, for the reason above: once it is gone, start again"
        )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to pass on")
def test_signals_pass(checkout):
    """An interrupt reaches the program that was started, and its exit status comes back."""
    (checkout / start.TESTS).write_text("# nothing\n", "utf-8")
    command = [sys.executable, str(checkout / "start.py"), "build", "--wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PIP_NO_INDEX": "1"}) as process:
        try:
            assert process.stdout.readline().startswith(b"[")
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == b"interrupted\n"
            assert process.wait(10) == 4
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "program"),
    [
        (["--no-browser", "--port", "9999"], [*start.COMMANDS["lab"][1], "--no-browser", "--port", "9999"]),
        (["lab"], start.COMMANDS["lab"][1]),
        (["test", "--slow", "-k", "a b"], ["-m", "pytest", "--slow", "-k", "a b"]),
        (["test", "--venv", "there", "-x"], ["-m", "pytest", "-x"]),
        (["--venv=there", "test", "-x"], ["-m", "pytest", "-x"]),
        (["build"], ["notebooks/build.py"]),
    ],
)
def test_options_pass(tmp_path, monkeypatch, calls, arguments, program):
    """Every option but --venv goes to the program, in its order; the folder is meant from where the person stands."""
    handed = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSLAB_VENV", raising=False)
    monkeypatch.setattr(start, "make_environment", lambda folder: None)
    monkeypatch.setattr(start, "install", lambda folder, needs: None)
    monkeypatch.setattr(start, "hand_over", lambda command, variables: handed.extend(command))
    start.main(arguments)
    environment = tmp_path / "there" if "there" in " ".join(arguments) else ROOT / ".venv"
    assert handed == [str(start.python_of(environment)), *program]
    assert Path.cwd() == ROOT


def test_installation_is_remembered(tmp_path, calls):
    """What was installed is not installed again; the tests' list includes the lessons'."""
    installed = [
        ("-m", "pip", "install", "--no-input", start.UV),
        ("-m", "uv", "pip", "install", "--quiet", "-r", start.LESSONS, "--python", str(start.python_of(tmp_path))),
    ]
    start.install(tmp_path, start.LESSONS)
    assert calls == installed
    start.install(tmp_path, start.LESSONS)
    assert calls == installed
    start.install(tmp_path, start.TESTS)
    assert len(calls) == 4
    start.install(tmp_path, start.LESSONS)
    assert len(calls) == 4


def test_pip_where_uv_fails(tmp_path, monkeypatch):
    """Where uv cannot be had or cannot install, pip does it."""
    for fails in ("pip install --no-input uv", "uv pip install"):
        made = []

        def call(folder, *arguments, quiet=False, fails=fails, made=made):
            made.append(" ".join(arguments))
            return int(fails in made[-1])

        monkeypatch.setattr(start, "call", call)
        (tmp_path / start.STAMP).unlink(missing_ok=True)
        start.install(tmp_path, start.LESSONS)
        assert made[-1].startswith("-m pip install --quiet -r")
        assert (tmp_path / start.STAMP).exists()


def test_interrupted_installation_is_repeated(tmp_path, monkeypatch, calls):
    """An installation that did not end leaves no sign of having been made, even where an earlier one had."""
    start.install(tmp_path, start.LESSONS)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "call", interrupt)
    with pytest.raises(KeyboardInterrupt):
        start.install(tmp_path, start.TESTS)
    assert not (tmp_path / start.STAMP).exists()


def test_half_made_environment_is_made_anew(tmp_path, monkeypatch):
    """A whole environment is kept, a half made one replaced, a folder of other files refused and left alone."""
    made = []
    monkeypatch.setattr(venv, "EnvBuilder", lambda **options: made.append(options["clear"]) or venv)
    monkeypatch.setattr(venv, "create", lambda folder: None)
    start.make_environment(tmp_path / "new")
    assert made == [False]
    (tmp_path / "pyvenv.cfg").touch()
    start.make_environment(tmp_path)
    assert made == [False, True]

    python = start.python_of(tmp_path)
    python.parent.mkdir()
    python.touch()
    (tmp_path / start.STAMP).touch()
    start.make_environment(tmp_path)
    assert made == [False, True]

    (tmp_path / "pyvenv.cfg").rename(tmp_path / "thesis.txt")
    (tmp_path / start.STAMP).unlink()
    with pytest.raises(start.Stop, match=r"holds other files: name an empty or a new folder with --venv DIR"):
        start.make_environment(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_place_that_cannot_be_written(tmp_path):
    """One line says which place, why, and what to do."""
    (tmp_path / "file").touch()
    done = run(ROOT, WSLAB_VENV=str(tmp_path / "file" / "venv"))
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("start.py: ")
    assert str(tmp_path / "file") in line
    assert line.endswith(": make room there and allow writing, or name another folder with --venv DIR")


def test_variables_lead_into_the_environment(tmp_path, monkeypatch):
    """Settings that lead pip elsewhere are dropped; a proxy stays, but not for loopback."""
    for name in ("PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "inside.example")
    monkeypatch.setenv("NO_PROXY", "*")
    found = start.variables(tmp_path)
    assert not {"PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"} & set(found)
    assert found["http_proxy"] == "http://127.0.0.1:9"
    assert (found["no_proxy"], found["NO_PROXY"]) == ("inside.example,127.0.0.1,localhost", "*")


@pytest.mark.slow
def test_fresh_machine(tmp_path):
    """A checkout that cannot be written to is set up elsewhere from nothing, opens the first lesson, tests itself."""
    copy = shutil.copytree(
        ROOT, tmp_path / PLACE, ignore=shutil.ignore_patterns(".git", ".venv", ".wslab", ".*_cache", "__pycache__")
    )
    tree = sorted(copy.rglob("*"))
    before = [(path, path.stat().st_mtime_ns) for path in tree]
    for path in tree:
        path.chmod(0o555 if path.is_dir() else 0o444)
    command = [sys.executable, str(copy / "start.py")]
    options = ["--venv", str(tmp_path / "environment")]
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    variables |= {"http_proxy": "http://127.0.0.1:9", "PYTHONDONTWRITEBYTECODE": "1"}
    variables |= {"JUPYTER_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)}

    lab = ["--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root", "--IdentityProvider.token=fresh"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, *options, *lab], env=variables, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 300
        while not (found := list((tmp_path / "run").glob("jpserver-*.json"))):
            assert process.poll() is None, (tmp_path / "log").read_text("utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        url = json.loads(found[0].read_text("utf-8"))["url"].replace("localhost", "127.0.0.1")
        lesson = f"{url}api/contents/{start.FIRST_LESSON}?content=0&token=fresh"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(lesson, timeout=20) as answer:
            assert json.load(answer)["path"] == start.FIRST_LESSON
        assert f"/lab/tree/{start.FIRST_LESSON}?token=" in (tmp_path / "log").read_text("utf-8")
    finally:
        process.terminate()
        process.wait(20)

    tests = ["test", *options, "-q", "-p", "no:cacheprovider", "tests/test_layers.py"]
    done = subprocess.run([*command, *tests], env=variables, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(path, path.stat().st_mtime_ns) for path in sorted(copy.rglob("*"))] == before
