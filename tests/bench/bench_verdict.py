"""What a verdict costs: python tests/bench/bench_verdict.py [LESSON or EXERCISE] [ROUNDS]

The solved exercises of a lesson (2), or one of them (2.2) alone, in interleaved rounds (5): `wslab check` cold and with
`--watch`, beside `jupyter execute`, `pytest --nbval`, nbgrader autograde and otter check of the same cells. The last
two live in an environment of their own, made for this run and removed with it; they are left out, with the reason,
where it cannot be made.

Prints seconds from command (or save) to verdict, CPU seconds beside them, both as median with spread, and the ratio
to `jupyter execute` of the same round; net of what the exercises themselves wait for. Then what `check(...)` adds in
a notebook to the bare behaviours. Ends by itself after some minutes. Nothing here is a test.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).resolve().parent)]

import psutil  # noqa: E402
from bench_recording import bench_check  # noqa: E402
from kit import define, references  # noqa: E402

from wslab import catalogue, check  # noqa: E402
from wslab.grading.grade import PRISTINE  # noqa: E402

WHAT = sys.argv[1] if sys.argv[1:] else "2"
ROUNDS = int(sys.argv[2]) if sys.argv[2:] else 5
LESSON = next(PRISTINE.glob(f"{int(WHAT.split('.')[0]):02d}_*.ipynb"))
EXERCISES = [
    number
    for number, entry in catalogue.index().items()
    if entry["lesson"] == LESSON.stem and ("." not in WHAT or number == WHAT)
]
LIMIT_S = 300
REST_S, RESTS = 0.5, 0.05  # a kernel that was started ahead is ready when in so long all use so few CPU seconds


def solved(path):
    """Write the notebook with the reference answers, and with outputs as a learner who ran it has them."""
    notebook = json.loads(LESSON.read_text("utf-8"))
    answers = {f"answer-{number.replace('.', '-')}": references()[number] for number in EXERCISES}
    checks = {name.replace("answer-", "check-") for name in answers}
    notebook["cells"] = [
        cell | {"source": answers.get(cell["id"], cell["source"])}
        for cell in notebook["cells"]
        if cell["id"].split("-")[0] not in ("answer", "check") or cell["id"] in answers.keys() | checks
    ]
    path.write_text(json.dumps(notebook), "utf-8")
    return path


def waits():
    """Seconds that the checks wait without using the CPU: what no way of grading can save. The least of three."""
    found = []
    for _ in range(3):
        idle = 0.0
        for number in EXERCISES:
            answers = define(number, references()[number])
            wall, cpu = time.perf_counter(), time.process_time()
            assert check(number, *answers).verdict.passed
            idle += time.perf_counter() - wall - (time.process_time() - cpu)
        found.append(idle)
    return min(found)


def timed(command, folder, env):
    """Run a command; returns wall and CPU seconds, those of its children included, and whether it succeeded."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    if done.returncode != 0:
        raise RuntimeError((done.stdout + done.stderr).decode(errors="replace")[-800:])
    return time.perf_counter() - began, cpu


class Watched:
    """`wslab check LESSON --watch`, warm: a round is from a save to the verdict."""

    def __init__(self, path, env):
        self._path = path
        command = [sys.executable, "-m", "wslab.cli", "check", WHAT, "--watch", "--json"]
        self._process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
        )

    def _tree(self):
        top = psutil.Process(self._process.pid)
        return [top, *top.children(recursive=True)]

    def _cpu(self):
        """CPU seconds by process, of those that run."""
        found = {}
        for process in self._tree():
            try:
                used = process.cpu_times()
                found[process.pid] = used.user + used.system
            except psutil.Error:
                continue
        return found

    def ready(self):
        """Wait until the kernel for the next save has started and rests."""
        before = {}
        while (
            len(now := self._cpu()) < 3
            or before.keys() != now.keys()
            or sum(now.values()) - sum(before.values()) > RESTS
        ):
            before = now
            time.sleep(REST_S)

    def round(self):
        self.ready()
        before, began = self._cpu(), time.perf_counter()
        solved(self._path)
        assert json.loads(self._process.stdout.readline())["passed"]
        wall, after = time.perf_counter() - began, self._cpu()
        return wall, sum(used - before.get(pid, 0.0) for pid, used in after.items())

    def end(self):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


def other_graders(folder):
    """Python of an environment with nbgrader and otter, or the reason why there is none."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    packages = [
        "nbgrader",
        "otter-grader",
        "ipykernel",
        "-e",
        str(ROOT),
        "aiohttp",
        "defusedxml",
        "msgpack",
        "nats-py",
        "psutil",
    ]
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=LIMIT_S)
        install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
        subprocess.run([*install, *packages], check=True, capture_output=True, timeout=LIMIT_S)
    except (OSError, subprocess.SubprocessError) as exc:
        said = (getattr(exc, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
        return None, f"{exc.__class__.__name__}: {said[-1] if said else exc}"
    return python, ""


def nbgrader(python, folder, env):
    """A course of one assignment, submitted by one learner, the checks as autograded tests; returns the command."""
    notebook = json.loads(solved(folder / LESSON.name).read_text("utf-8"))
    for cell in notebook["cells"]:
        kind = cell["id"].split("-")[0]
        if kind in ("answer", "check"):
            grade = {"grade": kind == "check", "solution": kind == "answer", "locked": kind == "check", "points": 1}
            cell["metadata"]["nbgrader"] = {"grade_id": cell["id"], "schema_version": 3, "task": False, **grade}
            if kind == "answer":
                del cell["metadata"]["nbgrader"]["points"]
    for place in ("source/lesson", "submitted/learner/lesson"):
        target = folder / place
        target.mkdir(parents=True)
        (target / LESSON.name).write_text(json.dumps(notebook), "utf-8")
    (folder / "nbgrader_config.py").write_text(f"c = get_config()\nc.CourseDirectory.root = {str(folder)!r}\n")
    generate = [str(python), "-m", "nbgrader", "generate_assignment", "lesson", "--create", "--force"]
    timed(generate, folder, env)
    return [str(python), "-m", "nbgrader", "autograde", "lesson", "--create", "--force"]


def otter(python, folder):
    """The learner's answers, checked by otter's tests, each of which calls the kit's check; returns the command."""
    tests = folder / "tests"
    tests.mkdir()
    for cell in json.loads(solved(folder / LESSON.name).read_text("utf-8"))["cells"]:
        if cell["id"].startswith("check-"):
            name = cell["id"].replace("-", "_")
            code = f">>> _ = {''.join(cell['source'])}\n"
            case = {"code": code, "hidden": False, "locked": False}
            suite = {"type": "doctest", "cases": [case], "scored": True, "setup": "", "teardown": ""}
            (tests / f"{name}.py").write_text(
                f"OK_FORMAT = True\ntest = {dict(name=name, points=1, suites=[suite])!r}\n"
            )
    return [str(python), "-m", "otter", "check", str(folder / LESSON.name), "-t", str(tests)]


def row(name, found, base, idle):
    """A line of the table: wall and CPU net of the waits, and the ratio to `base` round by round."""
    wall = [seconds - idle for seconds, _ in found]
    ratio = [mine / max(0.01, theirs - idle) for mine, (theirs, _) in zip(wall, base, strict=True)]
    parts = (wall, [cpu for _, cpu in found], ratio)
    print(f"{name:<20}" + "".join(f"{_spread(values):>22}" for values in parts), flush=True)


def _spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main():
    with tempfile.TemporaryDirectory(prefix="wslab-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        exercises = folder / "exercises"
        shutil.copytree(ROOT / "exercises", exercises, ignore=shutil.ignore_patterns("*.ipynb", "mutants"))
        path = solved(exercises / LESSON.name)
        env = os.environ | {"PYTHONPATH": str(ROOT), "WSLAB_EXERCISES": str(exercises), "WSLAB_STATE": str(folder)}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        idle = waits()
        ran = folder / "ran"
        ran.mkdir()
        execute = [sys.executable, "-m", "jupyter", "execute", str(solved(ran / LESSON.name)), "--inplace"]
        ways = {
            "jupyter execute": lambda: timed(execute, ran, env),
            "pytest --nbval": lambda: timed(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", LESSON.name], ran, env
            ),
            "wslab check": lambda: timed([sys.executable, "-m", "wslab.cli", "check", WHAT], folder, env),
        }
        python, reason = other_graders(folder / "env")
        if python is None:
            print(f"nbgrader and otter are left out: {reason}\n")
        else:
            (folder / "nbgrader").mkdir()
            (folder / "otter").mkdir()
            their = env | {"PATH": f"{python.parent}{os.pathsep}{env['PATH']}"}  # nbgrader calls alembic by name
            autograde, checked = nbgrader(python, folder / "nbgrader", their), otter(python, folder / "otter")
            ways["nbgrader autograde"] = lambda: timed(autograde, folder / "nbgrader", their)
            ways["otter check"] = lambda: timed(checked, folder / "otter", their)
        watched = Watched(path, env)
        ways["wslab check --watch"] = watched.round
        found = {name: [] for name in ways}
        try:
            for turn in range(-1, ROUNDS):  # the first round is for caches, and for what does not work
                for name, way in list(ways.items()):
                    try:
                        result = way()
                    except (RuntimeError, subprocess.TimeoutExpired) as exc:
                        print(f"{name} is left out: {exc}\n")
                        del ways[name], found[name]
                        continue
                    if turn >= 0:
                        found[name].append(result)
        finally:
            watched.end()
    print(
        f"{WHAT}: {len(EXERCISES)} exercises, {ROUNDS} rounds, net of {idle:.2f} s that the checks wait; "
        "median (min-max)\n"
    )
    print(f"{'':<20}{'wall s':>22}{'CPU s':>22}{'to jupyter execute':>22}")
    for name, results in found.items():
        row(name, results, found["jupyter execute"], idle)
    bench_check()


if __name__ == "__main__":
    main()
